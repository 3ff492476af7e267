// [data-age]: how old a panel's content is; the panel is dimmed when it is older than three of its intervals.
import { setText } from "./dom.js";
import { age } from "./lib/format.js";
import { isStale } from "./lib/retry.js";
import { live } from "./live.js";

const began = performance.now();
const shown = new Set();

export function attach(element) {
  shown.add(element);
  show(element);
}

function secondsOf(element) {
  const kind = element.dataset.ageOf || "rows";
  const told = live.age(kind);
  if (told !== null) return told;
  return element.dataset.age === "" ? null : Number(element.dataset.age) + (performance.now() - began) / 1000;
}

function show(element) {
  const seconds = secondsOf(element);
  setText(element, age(seconds));
  const panel = element.closest("[data-panel]");
  if (!panel) return;
  const stale = seconds === null || isStale(seconds * 1000, Number(element.dataset.interval || 1) * 1000);
  panel.toggleAttribute("data-stale", stale);
}

live.addEventListener("tick", () => {
  for (const element of shown) {
    if (element.isConnected) show(element);
    else shown.delete(element);
  }
});
