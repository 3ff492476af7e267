// [data-age]: how old what is shown is. When it is older than three intervals the page says so and dims it.
import { root, setText } from "./dom.js";
import { age, duration } from "./lib/format.js";
import { isStale } from "./lib/retry.js";
import { live } from "./live.js";

const INTERVAL_MS = 1000;
const began = performance.now();
const shown = new Set();

export function attach(element) {
  shown.add(element);
  show(element);
}

function secondsOf(element) {
  const told = live.age(element.dataset.ageOf || "rows");
  if (told !== null) return told;
  return element.dataset.age === "" ? null : Number(element.dataset.age) + (performance.now() - began) / 1000;
}

function show(element) {
  const seconds = secondsOf(element);
  setText(element, age(seconds));
  const kind = element.dataset.ageOf || "rows";
  const stale = !live.paused && (seconds === null || isStale(seconds * 1000, INTERVAL_MS));
  root.toggleAttribute(`data-stale-${kind}`, stale);
  if (kind !== "rows") return;
  const banner = document.querySelector("[data-stale-banner]");
  if (!banner) return;
  banner.hidden = !stale;
  if (stale) setText(banner.querySelector("[data-stale-words]"), seconds === null ? "Nothing has been confirmed yet." : `Last confirmed ${duration(seconds)} ago.`);
}

live.addEventListener("tick", () => {
  for (const element of shown) {
    if (element.isConnected) show(element);
    else shown.delete(element);
  }
});
