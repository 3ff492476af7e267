// [data-zone-choice]: times of charts in UTC or where the reader is.
import { root } from "./dom.js";

export function attach(group) {
  group.addEventListener("click", (event) => {
    const button = event.target.closest("[value]");
    if (!button) return;
    root.dataset.zone = button.value;
    for (const each of group.querySelectorAll("[value]")) each.setAttribute("aria-pressed", String(each === button));
    document.dispatchEvent(new CustomEvent("overstory:zone"));
  });
}
