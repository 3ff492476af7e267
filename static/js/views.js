// details[data-views]: the saved views of a list. A live list changes its address without a new page, so what is current and
// what is saved is read from the address at the moment it is asked for.
import { setText } from "./dom.js";

const shown = (url) => {
  const query = new URL(url, location.href).searchParams;
  return JSON.stringify([query.get("q")?.trim() ?? "", query.get("sort") ?? "", query.get("hide") ?? ""]);
};

export function attach(menu) {
  const label = menu.querySelector("[data-views-name]");
  const form = menu.querySelector("form");
  const mark = () => {
    const here = shown(location.href);
    let name = null;
    for (const link of menu.querySelectorAll("[data-view]")) {
      const isCurrent = name === null && shown(link.href) === here;
      if (isCurrent) {
        link.setAttribute("aria-current", "true");
        name = link.dataset.view;
      } else link.removeAttribute("aria-current");
    }
    setText(label, name ?? "Views");
    menu.firstElementChild.classList.toggle("pressed", name !== null);
  };
  menu.addEventListener("toggle", mark);
  document.addEventListener("overstory:asked", mark);
  form?.addEventListener("submit", () => {
    const query = new URLSearchParams(location.search);
    const typed = document.querySelector(".filterbar [name=q]")?.value.trim();
    form.elements.q.value = typed ?? query.get("q") ?? "";
    form.elements.sort.value = query.get("sort") ?? "";
    form.elements.hide.value = query.get("hide") ?? "";
  });
}
