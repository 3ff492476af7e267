// details.menu: closes on a click elsewhere and on Escape, with the focus back where it was.

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open], details.rail-more[open]")) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open], details.rail-more[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

export function attach() {}
