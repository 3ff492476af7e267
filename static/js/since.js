// [data-since]: how long something lasts, counted on in the page. The moment is in Unix seconds.
import { setText } from "./dom.js";
import { duration } from "./lib/format.js";
import { live } from "./live.js";

const shown = new Set();

export function attach(element) {
  shown.add(element);
}

live.addEventListener("tick", () => {
  const now = live.now();
  for (const element of shown) {
    if (!element.isConnected) shown.delete(element);
    else if (element.dataset.since) setText(element, duration(now - Number(element.dataset.since)));
  }
});
