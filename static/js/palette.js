// [data-palette-open] and ctrl-k: one field that finds pages, processes and commands.
import { address, make, symbol } from "./dom.js";
import { current } from "./keychoice.js";
import { rank } from "./lib/rank.js";

export function attach(control) {
  const open = (event) => {
    event.preventDefault();
    openPalette();
  };
  control.addEventListener("click", open);
}

/** Pages of the rail, commands of the page, and children of the live table. */
async function everything() {
  const keys = current();
  const pages = [...document.querySelectorAll(".rail-link[data-key]")].map((link) => ({ title: link.dataset.title, where: keys[`go ${link.dataset.key}`], href: link.href, icon: iconOf(link), group: "Pages", weight: 6 }));
  const commands = [
    { title: "Use the light theme", icon: "sun", group: "Commands", run: () => theme("light") },
    { title: "Use the dark theme", icon: "moon", group: "Commands", run: () => theme("dark") },
    { title: "Use the system's theme", icon: "system", group: "Commands", run: () => theme("system") },
    { title: "Pause or resume live data", where: keys.pause, icon: "pause", group: "Commands", run: pause },
    { title: "Show the keyboard sheet", where: keys.help, icon: "keyboard", group: "Commands", run: () => document.dispatchEvent(new CustomEvent("overstory:help")) },
  ];
  const [views, processes] = await Promise.all([savedViews(), children()]);
  return [...pages, ...views, ...commands, ...processes];
}

/** Saved views, one's own and shared ones. */
async function savedViews() {
  try {
    const response = await fetch(address("api/v1/views?limit=200"), { credentials: "same-origin", headers: { accept: "application/json" } });
    const { items } = await response.json();
    return items.map((view) => ({ title: view.name, where: `${view.title} · ${view.problem ? "no filter any more" : view.filter || "everything"}`, href: view.url, icon: "view", group: "Views", weight: 5 }));
  } catch {
    return []; // without the server the palette still knows pages and commands
  }
}

const iconOf = (link) => link.querySelector("use")?.getAttribute("href").split("#")[1];
const theme = async (name) => (await import("./theme.js")).choose(name);
const pause = async () => {
  const { live } = await import("./live.js");
  live.setPaused(!live.paused);
};

let known = [];
/** Children by name, asked once for each time the palette opens; the last answer stands when the server is away. */
async function children() {
  try {
    const { live } = await import("./live.js");
    const table = await live.peek("procs");
    known = table.ids.map((id, row) => ({ title: table.value(row, "key"), where: `${table.value(row, "state")} · ${table.value(row, "node") ?? ""}`, href: live.addressOf(table, row), icon: "processes", group: "Processes" }));
  } catch {
    // without the server the palette still knows pages and commands
  }
  return known;
}

export async function openPalette() {
  if (document.querySelector("dialog.palette[open]")) return;
  const input = make("input", { type: "text", placeholder: "Search processes, pages and commands", "aria-label": "Search", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false" });
  const list = make("div", { class: "palette-list", id: "palette-list", role: "listbox", "aria-label": "Results" });
  const foot = make("div", { class: "palette-foot" }, make("span", {}, make("kbd", {}, "↑"), " ", make("kbd", {}, "↓"), " choose"), make("span", {}, make("kbd", {}, "Enter"), " open"), make("span", {}, make("kbd", {}, "Esc"), " close"));
  const dialog = make("dialog", { class: "palette", "aria-label": "Search and commands" }, make("div", { class: "palette-input" }, symbol("search"), input), list, foot);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.showModal();

  let items = [];
  let found = [];
  let chosen = 0;
  const pick = (place) => {
    const entry = found[place];
    if (!entry) {
      if (input.value.trim()) location.assign(`${address("processes")}?q=${encodeURIComponent(input.value.trim())}`);
      return;
    }
    dialog.close();
    if (entry.item.href) location.assign(entry.item.href);
    else entry.item.run();
  };
  const mark = () => {
    list.querySelectorAll("[role=option]").forEach((option, place) => {
      option.setAttribute("aria-selected", String(place === chosen));
      if (place === chosen) {
        option.scrollIntoView({ block: "nearest" });
        input.setAttribute("aria-activedescendant", option.id);
      }
    });
  };
  const draw = () => {
    found = rank(input.value, items, { limit: 14 });
    chosen = 0;
    list.replaceChildren(...found.map(({ item, at }, place) => option(item, at, place, () => pick(place))));
    if (found.length === 0) list.append(make("div", { class: "palette-group" }, input.value ? "Nothing matches. Enter filters the processes by it." : "Loading"));
    mark();
  };
  input.addEventListener("input", draw);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      chosen = (chosen + step + found.length) % Math.max(1, found.length);
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      pick(chosen);
    }
  });
  draw();
  items = await everything();
  draw();
}

function option(item, at, place, choose) {
  const letters = new Set(at);
  const title = make("span", { class: "clip" });
  for (const [position, letter] of [...item.title].entries()) title.append(letters.has(position) ? make("mark", {}, letter) : letter);
  const row = make("div", { class: "palette-item", role: "option", id: `palette-${place}` }, symbol(item.icon ?? "processes"), title, make("span", { class: "where" }, item.where ?? item.group));
  row.addEventListener("click", choose);
  return row;
}
