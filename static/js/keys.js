// Keys of every page: g and a letter goes somewhere, j and k move, ctrl-k opens the palette, ? shows them all. All but ctrl-k
// may be others, by the choice of whoever sits there.
import { isTyping, root } from "./dom.js";
import { current, labelPlaces, places } from "./keychoice.js";
import { Chords } from "./lib/chords.js";

/** Keys, and what they ask for: a name, or {href}. */
function readBindings() {
  const hrefs = new Map(places().map(({ action, href }) => [action, href]));
  const bound = Object.entries(current()).filter(([, keys]) => keys !== "");
  return Object.fromEntries(bound.map(([action, keys]) => [keys, hrefs.has(action) ? { href: hrefs.get(action) } : action]));
}

export function listenForKeys() {
  let chords = new Chords(readBindings());
  document.addEventListener("overstory:keymap", () => {
    chords = new Chords(readBindings());
    labelPlaces();
  });
  labelPlaces();
  document.addEventListener("overstory:help", showSheet);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      import("./palette.js").then((palette) => palette.openPalette());
      return;
    }
    if (root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const wanted = chords.press(event.key === " " ? "space" : event.key, event.timeStamp);
    if (wanted === undefined) return;
    if (wanted === "pause" && event.target instanceof HTMLElement && event.target.closest("button, a, summary, [role=grid], [role=tree]")) return;
    event.preventDefault();
    perform(wanted);
  });
}

function perform(wanted) {
  if (wanted.href) location.assign(wanted.href);
  else if (wanted === "help") showSheet();
  else if (wanted === "filter") document.querySelector("[data-filter-input]")?.focus();
  else if (wanted === "pause") import("./live.js").then(({ live }) => live.setPaused(!live.paused));
  else moveFocus(wanted === "next" ? 1 : -1);
}

/** j and k walk through rows, whatever kind of list the page has. */
function moveFocus(step) {
  const grid = document.querySelector("[data-grid]");
  if (grid) {
    grid.dispatchEvent(new CustomEvent("overstory:move", { detail: step }));
    return;
  }
  const rows = [...document.querySelectorAll("[data-row-link]")].filter((row) => row.offsetParent !== null);
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

/** Every key there is, in a dialog. */
async function showSheet() {
  const sheet = await import("./keysheet.js");
  sheet.showSheet();
}
