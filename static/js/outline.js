// [data-outline]: supervisors and children as a tree grid, live. Opens the paths to trouble by itself.
import { FilterBox } from "./filterbox.js";
import { VirtualGrid } from "./grid.js";
import { make, rollupElement, setState, setText, stateElement, symbol, tint } from "./dom.js";
import { bytes, count, uptime } from "./lib/format.js";
import { indexTree, lines, troubled } from "./lib/outline.js";
import { live, processAddress } from "./live.js";

const FOLDS = "overstory.folds";
const SHAPE = ["parent", "position", "key", "is_supervisor", "state"];

export function attach(element) {
  new Outline(element);
}

class Outline {
  constructor(element) {
    this.element = element;
    this.body = element.querySelector("[data-grid-body]");
    this.folds = readFolds();
    this.filter = new FilterBox(document.querySelector('[data-filter="tree"]'), live.config.fields.tree, () => this.arrange(true));
    this.empty = document.querySelector("[data-empty]");
    element.addEventListener("click", (event) => openDrawer(event));
    document.querySelector("[data-outline-fold]").addEventListener("click", (event) => this.foldAll(event.target.closest("[value]")?.value));
    element.dataset.grid = "";
    element.addEventListener("overstory:move", ({ detail }) => this.grid?.move(detail));
    element.addEventListener("keydown", (event) => this.onKey(event), true);
    this.mark(readMarks());
    document.addEventListener("overstory:foresight", ({ detail }) => {
      this.mark(detail);
      if (this.table) this.arrange();
    });
    live.watch("tree", (event, table) => this.onEvent(event, table), { filter: undefined });
    live.addEventListener("tick", () => this.grid?.refresh([...this.grid.shown.keys()]));
  }

  onEvent(event, table) {
    this.table = table;
    if (event.kind === "reset") {
      this.begin();
      this.arrange(true);
    } else if (event.kind === "frame") {
      this.tinted = new Set(event.changed.filter(([, mask]) => table.touches(mask, ["state"])).map(([row]) => table.ids[row]));
      this.grid?.refresh(event.changed.map(([row]) => table.ids[row]));
      this.tinted = null;
      if (event.added.length > 0 || event.removed.length > 0 || event.changed.some(([, mask]) => table.touches(mask, SHAPE))) this.soon();
    }
  }

  begin() {
    if (this.grid) return;
    this.body.classList.remove("grid-static");
    this.grid = new VirtualGrid(this.body, {
      makeRow: () => makeRow((id) => this.toggle(id)),
      fillRow: (row, id) => this.fill(row, id),
      open: (id) => location.assign(this.hrefOf(id)),
    });
    this.grid.isBusy = () => false; // nothing is sorted here: lines only come and go
  }

  /** Rows that something foreseen touches, and everything above them. */
  mark(marks) {
    this.marks = marks;
    this.above = new Set();
    for (const id of Object.keys(marks)) {
      for (let end = id.lastIndexOf("/"); end > 0; end = id.lastIndexOf("/", end - 1)) this.above.add(id.slice(0, end));
    }
  }

  soon() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.arrange();
    }, 100);
  }

  rows() {
    const { ids, values } = this.table;
    return ids.map((id, at) => ({ id, at, node: values.node[at], key: values.key[at], parent: values.parent[at], position: values.position[at] ?? 0, state: values.state[at], is_supervisor: values.is_supervisor[at] }));
  }

  arrange() {
    if (!this.grid) return;
    const now = live.now();
    this.children = indexTree(this.rows());
    this.bad = troubled(this.children);
    const { values } = this.table;
    const keep = this.filter.terms.length > 0 ? (row) => this.filter.accepts((name) => values[name]?.[row.at], now) : null;
    const total = this.table.size;
    const shown = lines(this.children, { isOpen: (row, depth) => this.isOpen(row, depth, total), keep });
    this.lines = new Map(shown.map((line) => [line.row.id, line]));
    this.grid.setOrder(shown.map(({ row }) => row.id), { force: true });
    this.grid.refresh([...this.grid.shown.keys()]);
    this.filter.say(keep ? `${count(shown.length)} of ${count(total)}` : count(total));
    this.empty.hidden = shown.length > 0;
    for (const part of this.empty.children) part.hidden = (part.dataset.emptyOf === "filter") !== (this.filter.text !== "");
    this.element.hidden = shown.length === 0;
  }

  /** What a person folded stays; else trees are open while they are small, and paths to trouble always. */
  isOpen(row, depth, total) {
    return this.folds[row.id] ?? (this.bad.has(row.id) || this.above.has(row.id) || total <= 60 || (depth === 0 && (this.children.get(row.id)?.length ?? 0) <= 30));
  }

  toggle(id, open = !this.lines.get(id)?.isOpen) {
    this.folds[id] = open;
    writeFolds(this.folds);
    this.arrange();
  }

  foldAll(how) {
    if (!how) return;
    this.folds = {};
    for (const id of this.children.keys()) if (id) this.folds[id] = how === "trouble" ? this.bad.has(id) : how === "open";
    writeFolds(this.folds);
    this.arrange();
  }

  onKey(event) {
    const id = event.target.closest?.("[data-row]")?.dataset.row;
    const line = id && this.lines?.get(id);
    if (!line) return;
    if (event.key === "ArrowRight" && line.hasChildren && !line.isOpen) this.toggle(id, true);
    else if (event.key === "ArrowLeft" && line.isOpen) this.toggle(id, false);
    else if (event.key === "ArrowLeft" && line.row.parent) this.grid.focusPlace(this.grid.placeOf(`${line.row.node}:${line.row.parent}`));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  hrefOf(id) {
    const row = this.table.index.get(id);
    return processAddress(this.table.value(row, "key"), this.table.value(row, "node"));
  }

  fill(row, id) {
    const at = this.table.index.get(id);
    const line = this.lines?.get(id);
    if (at === undefined || !line) return;
    const value = (name) => this.table.values[name]?.[at];
    const { parts } = row;
    row.setAttribute("aria-level", String(line.depth + 1));
    row.classList.toggle("is-supervisor", Boolean(value("is_supervisor")));
    if (line.hasChildren) row.setAttribute("aria-expanded", String(line.isOpen));
    else row.removeAttribute("aria-expanded");
    parts.outlineName.dataset.depth = Math.min(9, line.depth);
    parts.fold.hidden = !line.hasChildren;
    setText(parts.name, value("name") || value("key"));
    parts.name.href = processAddress(value("key"), value("node"));
    setText(parts.note, value("is_supervisor") ? (value("strategy") ?? "") : (value("status") ?? ""));
    const mark = this.marks[id];
    parts.mark.hidden = !mark;
    if (mark) {
      parts.mark.className = `tag fate tone-${mark.tone}`;
      setText(parts.mark, mark.words);
    }
    this.fillState(row, value);
    setText(parts.since, value("is_supervisor") || !value("since") ? "" : uptime(live.now() - value("since")));
    setText(parts.pid, value("pid") ? String(value("pid")) : "");
    const restarts = value("restarts");
    setText(parts.restarts, restarts === null || restarts === undefined ? "" : count(restarts));
    parts.restarts.classList.toggle("text-3", !restarts);
    setText(parts.rss, bytes(value("rss")));
    setText(parts.node, value("host") || value("node") || "");
    if (this.tinted?.has(id)) tint(parts.stateCell);
  }

  fillState(row, value) {
    const { parts } = row;
    const isSupervisor = Boolean(value("is_supervisor"));
    const shown = isSupervisor ? JSON.stringify([value("counts"), value("window_used"), value("intensity")]) : value("state");
    if (parts.shown === shown) return;
    parts.shown = shown;
    parts.state.hidden = isSupervisor;
    parts.rollup.hidden = !isSupervisor;
    if (!isSupervisor) {
      setState(parts.state, value("state"));
      parts.used.replaceChildren();
      return;
    }
    parts.rollup.replaceChildren(rollupElement(value("counts")));
    const used = value("window_used") ?? 0;
    const allowed = value("intensity");
    if (allowed === null || allowed === undefined) parts.used.replaceChildren();
    else parts.used.replaceChildren(meter(used, allowed), make("span", { class: "num" }, `${used}/${allowed}`));
  }
}

/** A plain click on a name shows the child beside the tree; on small screens and with a modifier it is a link. */
async function openDrawer(event) {
  const link = event.target.closest("a.label-name");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0 || innerWidth <= 720) return;
  event.preventDefault();
  try {
    const { openDialog } = await import("./dialogs.js");
    await openDialog(link.href, { drawer: true });
  } catch {
    location.assign(link.href);
  }
}

/** How much of the intensity is used in the present window. */
function meter(used, allowed) {
  const share = allowed ? Math.min(1, used / allowed) : 0;
  const bar = rollupElement({});
  bar.setAttribute("aria-label", `${used} of ${allowed} restarts used`);
  const rect = document.createElementNS(bar.namespaceURI, "rect");
  const tone = share >= 1 ? "crit" : share >= 0.67 ? "warn" : "idle";
  for (const [name, value] of Object.entries({ class: tone, width: share * 100, height: 6 })) rect.setAttribute(name, value);
  bar.append(rect);
  return bar;
}

function makeRow(onFold) {
  const cell = (classes, ...inside) => make("span", { class: classes, role: "gridcell" }, ...inside);
  const parts = {
    fold: make("button", { class: "fold", type: "button", tabindex: "-1", "aria-hidden": "true" }, symbol("chevron")),
    name: make("a", { class: "label-name", tabindex: "-1" }),
    note: make("span", { class: "outline-more" }),
    mark: make("span", { class: "tag fate", hidden: true }),
    state: stateElement("waiting"),
    rollup: make("span", { class: "rollup" }),
    used: make("span", { class: "used" }),
    since: cell("num text-2 right"),
    pid: cell("cell-pid num text-3 right"),
    restarts: cell("num right"),
    rss: cell("cell-rss num text-2 right"),
    node: cell("cell-node text-3 clip"),
  };
  parts.foldPlace = make("span", { class: "fold-place" }, parts.fold);
  parts.outlineName = cell("outline-name", parts.foldPlace, parts.name, parts.note, parts.mark);
  parts.stateCell = cell("cell-state", parts.state, parts.rollup);
  const row = make("div", { class: "outline-row grid-row" }, parts.outlineName, parts.stateCell, cell("cell-used", parts.used), parts.since, parts.pid, parts.restarts, parts.rss, parts.node);
  parts.fold.addEventListener("click", () => onFold(row.dataset.row));
  row.parts = parts;
  return row;
}

function readMarks() {
  return JSON.parse(document.querySelector("#foresight-marks")?.dataset.marks ?? "{}");
}

function readFolds() {
  try {
    return JSON.parse(sessionStorage.getItem(FOLDS)) ?? {};
  } catch {
    return {};
  }
}

function writeFolds(folds) {
  try {
    sessionStorage.setItem(FOLDS, JSON.stringify(folds));
  } catch {
    // a browser without storage only forgets what was folded
  }
}
