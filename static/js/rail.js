// [data-rail-toggle]: the left rail in 220 or 56 pixels.
import { remember, root } from "./dom.js";

export function attach(button) {
  button.addEventListener("click", () => {
    const narrow = getComputedStyle(root).getPropertyValue("--rail").trim() === "56px";
    root.dataset.rail = narrow ? "wide" : "narrow";
    button.setAttribute("aria-expanded", String(narrow));
    remember("overstory_rail", root.dataset.rail);
  });
}
