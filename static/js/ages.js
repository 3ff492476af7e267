// [data-age]: how old what is shown is. When it is older than three intervals the page says so and dims it.
import { root, setText } from "./dom.js";
import { age, duration } from "./lib/format.js";
import { isStale } from "./lib/retry.js";
import { live } from "./live.js";

const INTERVAL_MS = 1000;
const began = performance.now();
const shown = new Set();

export function attach(element) {
  if (!("age" in element.dataset)) return; // the banner: it is looked up when it is needed
  shown.add(element);
  show(element);
}

/** Seconds since what is shown was true: as told live, else as the server said when it made the page; null when never. */
function secondsOf(kind, element) {
  const told = live.age(kind);
  if (told !== null) return told;
  const given = element?.dataset.age;
  return given === undefined || given === "" ? null : Number(given) + (performance.now() - began) / 1000;
}

function show(element) {
  setText(element, age(secondsOf(element.dataset.ageOf || "rows", element)));
}

function isOld(kind) {
  const element = document.querySelector(`[data-age-of="${kind}"]`);
  const seconds = secondsOf(kind, element);
  if (live.paused || (seconds === null && !element)) return [false, seconds];
  return [seconds === null || isStale(seconds * 1000, INTERVAL_MS), seconds];
}

function judge() {
  const [rowsOld, seconds] = isOld("rows");
  root.toggleAttribute("data-stale-rows", rowsOld);
  root.toggleAttribute("data-stale-samples", isOld("samples")[0]);
  const banner = document.querySelector("[data-stale-banner]");
  if (!banner) return;
  banner.hidden = !rowsOld;
  if (rowsOld) setText(banner.querySelector("[data-stale-words]"), seconds === null ? "Nothing has been confirmed yet." : `Last confirmed ${duration(seconds)} ago.`);
}

live.addEventListener("tick", () => {
  judge();
  for (const element of shown) {
    if (element.isConnected) show(element);
    else shown.delete(element);
  }
});
