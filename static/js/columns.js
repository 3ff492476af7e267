// details[data-columns]: which columns a list shows. The address says which it does not, so that a view keeps them too.

export function attach(menu) {
  const boxes = [...menu.querySelectorAll("input[type=checkbox]")];
  const grid = document.querySelector("[data-grid]");
  menu.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  menu.addEventListener("change", () => {
    const hidden = boxes.filter((box) => !box.checked).map((box) => box.value);
    grid.dataset.hide = hidden.join(" ");
    const url = new URL(location.href);
    if (hidden.length > 0) url.searchParams.set("hide", hidden.join(","));
    else url.searchParams.delete("hide");
    history.replaceState(null, "", url);
    document.dispatchEvent(new CustomEvent("overstory:asked"));
  });
}
