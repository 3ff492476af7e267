// Keys of every page: g and a letter goes somewhere, j and k move, ctrl-k opens the palette, ? shows them all.
import { address, isTyping, make, root } from "./dom.js";
import { Chords } from "./lib/chords.js";

const MOVES = { j: "next", k: "previous", "/": "filter", "?": "help", space: "pause" };

/** Links of the rail with a key: [{key, title, href}]. */
const places = () => [...document.querySelectorAll("[data-key]")].map((link) => ({ key: link.dataset.key, title: link.dataset.title, href: link.href }));

export function listenForKeys() {
  const bindings = { ...MOVES };
  for (const { key, href } of places()) bindings[`g ${key}`] = { href };
  const chords = new Chords(bindings);
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
  const { showDialog } = await import("./dialogs.js");
  const line = (keys, words) => [make("dt", {}, ...keys.split(" ").flatMap((key, at) => (at ? [" ", make("kbd", {}, key)] : [make("kbd", {}, key)]))), make("dd", {}, words)];
  const list = (title, lines) => make("section", { class: "stack" }, make("h3", {}, title), make("dl", {}, ...lines.flatMap(([keys, words]) => line(keys, words))));
  const body = make(
    "div",
    { class: "keys" },
    list("Go to", places().map(({ key, title }) => [`g ${key}`, title])),
    list("Everywhere", [
      ["Ctrl K", "search and commands"],
      ["/", "filter this page"],
      ["j", "next row"],
      ["k", "previous row"],
      ["space", "pause or resume"],
      ["?", "this sheet"],
    ]),
    list("In lists", [
      ["↑ ↓", "move"],
      ["Enter", "open"],
      ["x", "select"],
      ["Home End", "first, last"],
      ["← →", "fold, unfold (tree)"],
    ]),
  );
  const off = make("p", { class: "hint" }, "Single keys can be switched off in ", make("a", { href: address("settings") }, "settings"), ".");
  showDialog(make("div", {}, make("div", { class: "dialog-head" }, make("h2", {}, "Keyboard")), make("div", { class: "dialog-body" }, body, off)));
}
