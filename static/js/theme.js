// [data-theme-choice]: light, dark or as the system says. The server writes the choice into the next page.
import { remember, root } from "./dom.js";

export function attach(group) {
  const show = () => {
    for (const button of group.querySelectorAll("[value]")) button.setAttribute("aria-pressed", String(button.value === (root.dataset.theme || "system")));
  };
  group.addEventListener("click", (event) => {
    const button = event.target.closest("[value]");
    if (!button) return;
    event.preventDefault();
    choose(button.value);
    show();
  });
  show();
}

/** Canvases draw with computed colours, so they are told. */
export function choose(theme) {
  root.dataset.theme = theme;
  remember("overstory_theme", theme);
  document.dispatchEvent(new CustomEvent("overstory:theme"));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("overstory:theme")));
