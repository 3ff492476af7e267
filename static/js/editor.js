// form[data-editor]: a text area for YAML that keeps indentation, jumps to lines, and asks before unsaved work is lost.
export function attach(form) {
  const area = form.querySelector("textarea");
  const place = form.querySelector("[data-editor-place]");
  const given = area.defaultValue;
  let leaving = false;

  const say = () => {
    const before = area.value.slice(0, area.selectionStart).split("\n");
    if (place) place.textContent = `line ${before.length}, column ${before.at(-1).length + 1}`;
  };
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      const line = area.value.slice(0, area.selectionStart).split("\n").at(-1);
      const indent = line.match(/^\s*(- )?/)[0].replace("- ", "  ");
      const more = /:\s*$/.test(line) ? "  " : "";
      if (indent || more) {
        event.preventDefault();
        insert(area, `\n${indent}${more}`);
      }
    } else if (event.key === "Enter") {
      event.preventDefault();
      form.querySelector('[name="do"][value="plan"]')?.click();
    }
  });
  for (const name of ["keyup", "click", "input"]) area.addEventListener(name, say);
  form.addEventListener("click", (event) => {
    const link = event.target.closest("[data-goto-line]");
    if (!link) return;
    event.preventDefault();
    goTo(area, Number(link.dataset.gotoLine));
    say();
  });
  form.addEventListener("submit", () => (leaving = true));
  addEventListener("beforeunload", (event) => {
    if (!leaving && area.value !== given) event.preventDefault();
  });
}

/** Insert so that undo still works. */
function insert(area, text) {
  area.focus();
  if (!document.execCommand("insertText", false, text)) area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
}

function goTo(area, line) {
  const lines = area.value.split("\n");
  const from = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  area.focus();
  area.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
  area.scrollTop = (line - 4) * parseFloat(getComputedStyle(area).lineHeight);
}
