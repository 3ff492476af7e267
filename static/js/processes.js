// [data-grid="procs"]: the virtual list of processes.
import { FilterBox } from "./filterbox.js";
import { VirtualGrid } from "./grid.js";
import { Sparks } from "./rowsparks.js";
import { Picks } from "./picks.js";
import { afterPaint, knowState, make, setText, stateElement, symbol, tint } from "./dom.js";
import { bytes, count, duration, percentInColumn, uptime } from "./lib/format.js";
import { keyOf, pressed, readSort, writeSort } from "./lib/sorting.js";
import { glyphOf, severityOf, toneOf } from "./lib/states.js";
import { arrange, byName, firstOf } from "./lib/virtual.js";
import { live, processAddress } from "./live.js";

const SORT_MS = 1000;
const MEMBERS_MS = 100;
const SPREAD_MS = 900;
const AGED_MS = 750;
const FRESH_MS = 950;
const LATE_MS = 1200;
const FRAMES_MS = 500;
const WORDS_MS = 10_000;
const STATE = ["state"];
const CELLS = ["pick", "state", "name", "node", "pid", "uptime", "cpu", "rss", "restarts", "exit"];

export function attach(element) {
  new ProcessList(element);
}

class ProcessList {
  constructor(element) {
    this.element = element;
    this.body = element.querySelector("[data-grid-body]");
    this.table = null;
    this.sort = readSort(new URLSearchParams(location.search).get("sort"));
    this.arrangedAt = 0;
    this.spreadAt = 0;
    this.canPick = element.hasAttribute("data-can-pick");
    this.filter = new FilterBox(document.querySelector('[data-filter="procs"]'), live.config.fields.procs, () => this.refilter());
    this.facets = document.querySelector("[data-facets]");
    this.empty = document.querySelector("[data-empty]");
    this.picks = new Picks(document.querySelector("[data-bulk]"), {
      onChange: () => {
        this.grid?.refresh([...this.grid.shown.keys()]);
        this.showPickAll();
      },
      rowOf: (id) => this.table.index.has(id) && { id, ...this.table.row(id) },
    });
    this.watchHeads();
    this.makeChip();
    if (this.canPick) this.makePickAll();
    element.addEventListener("overstory:move", ({ detail }) => this.grid?.move(detail));
    live.watch("procs", (event, table) => this.onEvent(event, table), { filter: undefined });
    live.addEventListener("sparks", ({ detail }) => {
      this.sparks?.fill(detail.rows);
      this.sparks?.draw(this.table);
    });
    live.addEventListener("tick", () => this.everySecond());
  }

  onEvent(event, table) {
    this.table = table;
    if (event.kind === "reset") {
      this.named = null;
      this.begin();
      this.arrange(true);
      this.readWords();
    } else if (event.kind === "frame") {
      this.sparks.push(event.sampled, table);
      const drawn = this.showChanged(event.changed);
      if (drawn > 0 || event.sampled.length > 0) this.sparks.draw(table);
      if (event.added.length > 0 || event.removed.length > 0) {
        this.named = null;
        this.soon(MEMBERS_MS);
      } else if (this.mayReorder(event.changed)) this.soon(SORT_MS);
      else if (this.changedIn(event.changed, STATE)) this.facetsSoon();
    }
  }

  /** Of thousands of rows that change, those that are in view are drawn: how many. */
  showChanged(changed) {
    const shown = this.grid?.shown;
    if (!shown) return 0;
    let drawn = 0;
    for (const [at, mask] of changed) {
      const id = this.table.ids[at];
      const row = shown.get(id);
      if (row && this.grid.fillSeen(row, id, mask)) drawn += 1;
    }
    if (drawn > 0 || performance.now() - this.spreadAt > SPREAD_MS / 3) this.fillSome(drawn);
    return drawn;
  }

  changedIn(changed, columns) {
    return changed.some(([, mask]) => this.table.touches(mask, columns));
  }

  /** Whether the list may look otherwise after these changes: only by what it is filtered and sorted by. */
  mayReorder(changed) {
    return this.ordering === null ? changed.length > 0 : this.changedIn(changed, this.ordering);
  }

  /** What the order depends on now; null when time does. */
  readOrdering() {
    const asked = this.filter.columns;
    this.ordering = asked && [...asked, this.sort.column];
  }

  facetsSoon() {
    this.facetTimer ??= setTimeout(() => {
      this.facetTimer = null;
      this.showFacets();
    }, SORT_MS);
  }

  /** The server's rows give way to the pool. */
  begin() {
    if (this.grid) return;
    this.body.classList.remove("grid-static");
    this.grid = new VirtualGrid(this.body, {
      makeRow: () => makeRow(this.canPick, (id) => this.picks.toggle(id)),
      fillRow: (row, id, changed) => this.fill(row, id, changed),
      clearRow: (row) => {
        row.holds = null;
        delete row.dataset.id;
      },
      open: (id) => location.assign(this.hrefOf(id)),
      pick: (id) => this.canPick && this.picks.toggle(id),
      onMoved: (number) => this.showChip(number),
      onDrawn: () => this.sparks?.draw(this.table),
    });
    const { sparkWorker: script, sparkFont: font } = this.element.dataset;
    this.sparks = new Sparks(this.grid, { cells: CELLS, script, font, onShown: () => this.showNumbers() });
    this.sparks.look();
  }

  hrefOf(id) {
    const row = this.table.index.get(id);
    return processAddress(this.table.value(row, "key"), this.table.value(row, "node"));
  }

  soon(delayMs) {
    const due = Math.max(performance.now() + MEMBERS_MS, this.arrangedAt + delayMs);
    if (this.dueAt && this.dueAt <= due) return;
    clearTimeout(this.timer);
    this.dueAt = due;
    this.timer = setTimeout(() => this.arrange(), due - performance.now());
  }

  /** Of another filter the rows that come into view are shown first, from the top; the whole list, and how many there are, when
   * those are drawn. By another column than the name no row is known to be the first before all are. */
  refilter() {
    if (!this.table || !this.grid) return;
    this.grid.toTop();
    if (this.sort.column !== "key") {
      this.arrange(true);
      return;
    }
    const { ids } = this.table;
    const rows = firstOf({ ...this.wanted(), most: this.grid.capacity() });
    this.grid.setOrder(rows.map((at) => ids[at]), { force: true });
    this.showWhether(rows.length);
    clearTimeout(this.timer);
    this.dueAt = 0;
    const asked = (this.refiltered = {});
    afterPaint(() => asked === this.refiltered && this.arrange(true));
  }

  /** Rows by name, and which of them the filter accepts now. */
  wanted() {
    const { table } = this;
    const now = live.now();
    this.named ??= byName(table.values.key);
    const accepts = this.filter.terms.length > 0 && this.filter.acceptsRowOf(table);
    return { named: this.named, keep: accepts ? (at) => accepts(at, now) : () => true, descending: this.sort.descending };
  }

  showWhether(found) {
    this.empty.hidden = found > 0;
    for (const part of this.empty.children) part.hidden = (part.dataset.emptyOf === "filter") !== (this.filter.text !== "");
  }

  arrange(force = false) {
    this.dueAt = null;
    this.arrangedAt = performance.now();
    const { table } = this;
    if (!table || !this.grid) return;
    this.readOrdering();
    const { values, ids } = table;
    const key = this.sort.column === "key" ? null : keyOf(this.sort.column, (at, name) => values[name]?.[at]);
    const rows = arrange({ ...this.wanted(), key });
    this.matched = rows.map((at) => ids[at]);
    this.grid.setOrder(this.matched, { force });
    this.showPickAll();
    this.filter.say(rows.length === table.size ? count(table.size) : `${count(rows.length)} of ${count(table.size)}`);
    this.showWhether(rows.length);
    this.showFacets();
  }

  everySecond() {
    if (!this.grid) return;
    this.sparks.tick(live.now());
    const now = performance.now();
    const comesWithFrames = now - this.spreadAt < FRAMES_MS;
    if (!comesWithFrames) for (const [id, row] of this.grid.shown) if (row.filledAt < now - FRESH_MS) this.goOn(row, id);
    this.sparks.ask();
    if (now - this.wordsAt > WORDS_MS) this.readWords();
  }

  /** The time goes on in every row, each second. While frames come, some rows with each that is drawn anyway: the same share
   * of them in the same time. Those that the frame itself `drew` count, so that one which changes many rows costs no more; none waits longer
   * than LATE_MS for that. */
  fillSome(drew) {
    const now = performance.now();
    const { shown } = this.grid ?? {};
    if (!shown) return;
    let left = Math.ceil(((this.grid.to - this.grid.from) * Math.min(SPREAD_MS, now - this.spreadAt)) / SPREAD_MS) - drew;
    this.spreadAt = now;
    for (const [id, row] of shown) {
      const isDue = row.filledAt <= now - (left > 0 ? AGED_MS : LATE_MS);
      if (isDue && this.goOn(row, id)) left -= 1;
    }
  }

  /** The time of a row in view goes on. Whether it is. */
  goOn(row, id) {
    const isSeen = this.grid.isInView(row);
    if (isSeen) this.fillUptime(row, id);
    else row.isLate = true;
    return isSeen;
  }

  /** What words are looked for in is read ahead, so that the first letter typed is answered as soon as the next. */
  readWords() {
    this.wordsAt = performance.now();
    this.filter.prepare(this.table);
  }

  /** changed: mask of the columns that a frame brought, else nothing. Cells remember what they show: asking the page costs
   * as much as writing to it. */
  fill(row, id, changed = 0) {
    const at = this.table.index.get(id);
    if (row.holds !== id) {
      row.holds = id;
      row.dataset.id = id;
      row.parts.known = null;
      if (row.parts.state.hasAttribute("data-pending")) {
        row.parts.state.removeAttribute("data-pending"); // it belonged to the row that was here
        delete row.parts.state.dataset.state;
      }
    }
    row.toggleAttribute("data-gone", at === undefined);
    if (at === undefined) return;
    const value = (name) => this.table.values[name]?.[at];
    const { parts } = row;
    const state = value("state");
    if (parts.known !== state) {
      parts.known = state;
      knowState(parts.state, state);
    }
    const key = value("key");
    if (parts.key !== key) {
      parts.key = key;
      const cut = key.lastIndexOf("/") + 1;
      setText(parts.path, key.slice(0, cut));
      setText(parts.name, key.slice(cut));
      parts.link.href = processAddress(key, value("node"));
      parts.link.title = key;
    }
    say(parts.node, value("host") || value("node") || "");
    say(parts.pid, value("pid") ?? "");
    this.fillNumbers(row, at);
    if (say(parts.restarts, value("restarts"), count)) parts.restarts.classList.toggle("text-3", !value("restarts"));
    say(parts.exit, value("exit") ?? "");
    this.fillPick(row, id, key);
    this.fillUptime(row, id);
    if (changed && this.table.touches(changed, STATE)) tint(parts.state.parentElement);
  }

  /** CPU and memory, which tiles show where there are any. */
  fillNumbers({ parts }, at) {
    const put = this.sparks.isShown ? tell : say;
    put(parts.cpu, this.table.values.cpu?.[at], percentInColumn);
    put(parts.rss, this.table.values.rss?.[at], bytes);
  }

  /** In tiles, or in the cells themselves. */
  showNumbers() {
    for (const { parts } of this.grid.pool) {
      for (const cell of [parts.cpu, parts.rss, parts.uptime]) {
        setText(cell, "");
        cell.removeAttribute("aria-label");
        delete cell.shows;
      }
    }
    this.grid.refresh([...this.grid.shown.keys()]);
    this.sparks.draw(this.table);
  }

  fillPick(row, id, key) {
    const { pick } = row.parts;
    const isPicked = this.picks.has(id);
    if (pick && pick.checked !== isPicked) pick.checked = isPicked;
    if (pick && pick.of !== key) {
      pick.of = key;
      pick.setAttribute("aria-label", `Select ${key}`);
    }
    if (row.isPicked === isPicked) return;
    row.isPicked = isPicked;
    row.setAttribute("aria-selected", String(isPicked));
  }

  fillUptime(row, id) {
    row.filledAt = performance.now();
    const at = this.table.index.get(id);
    const since = this.table.values.since?.[at];
    const seconds = since ? live.now() - since : null;
    if (this.sparks.isShown) tell(row.parts.uptime, seconds === null ? null : Math.floor(seconds / 60), roughly);
    else say(row.parts.uptime, seconds === null ? "" : uptime(seconds));
    const silentS = live.silence(this.table.values.node?.[at]);
    const silent = silentS > 0 ? `its node is silent for ${duration(silentS)}` : "";
    if (row.silent === silent) return;
    row.silent = silent;
    row.toggleAttribute("data-silent", silentS > 0);
    row.title = silent;
  }

  watchHeads() {
    for (const head of this.element.querySelectorAll("[data-sort]")) {
      head.addEventListener("click", (event) => {
        event.preventDefault();
        this.sort = pressed(this.sort, head.dataset.sort);
        const url = new URL(location.href);
        url.searchParams.set("sort", writeSort(this.sort));
        history.replaceState(null, "", url);
        document.dispatchEvent(new CustomEvent("overstory:asked"));
        this.showHeads();
        this.arrange(true);
      });
    }
    this.showHeads();
  }

  showHeads() {
    for (const head of this.element.querySelectorAll("[data-sort]")) {
      if (head.dataset.sort === this.sort.column) head.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  /** States that there are, as switches of the filter; worst first. */
  showFacets() {
    const numbers = new Map();
    for (const state of this.table.values.state) numbers.set(state, (numbers.get(state) ?? 0) + 1);
    const states = [...numbers.keys()].sort((one, other) => severityOf(other) - severityOf(one) || one.localeCompare(other));
    const known = new Map([...this.facets.children].map((facet) => [facet.dataset.facet, facet]));
    for (const [state, facet] of known) if (!numbers.has(state)) facet.remove();
    for (const state of states) {
      let facet = known.get(state);
      if (!facet) {
        facet = make("button", { class: `facet tone-${toneOf(state)}`, type: "button", "data-facet": state }, symbol(glyphOf(state), "glyph"), make("span", {}, state), make("span", { class: "num" }));
        facet.addEventListener("click", () => this.filter.toggle("state", state));
      }
      setText(facet.lastElementChild, count(numbers.get(state)));
      facet.setAttribute("aria-pressed", String(this.filter.has("state", state)));
      if (!facet.isConnected) this.facets.append(facet);
    }
  }

  /** In the head: everything that the filter accepts, whether it is in view or not. */
  makePickAll() {
    this.pickAll = make("input", { type: "checkbox", "aria-label": "Select all that match" });
    this.pickAll.title = "Select all that match";
    this.pickAll.addEventListener("change", () => this.picks.toggleAll(this.matched ?? []));
    this.element.querySelector(".grid-head .cell-pick").append(this.pickAll);
  }

  showPickAll() {
    if (!this.pickAll) return;
    const all = this.picks.holds(this.matched ?? []);
    this.pickAll.checked = all;
    this.pickAll.indeterminate = !all && this.picks.ids.size > 0;
  }

  makeChip() {
    const button = make("button", { class: "button", type: "button" });
    button.addEventListener("click", () => this.grid.applyPending());
    this.chip = make("div", { class: "grid-moved", hidden: true, role: "status" }, button);
    this.element.append(this.chip);
  }

  showChip(number) {
    this.chip.hidden = number === 0;
    if (number > 0) setText(this.chip.firstElementChild, `${count(number)} moved`);
  }
}

/** Show a value in a cell of ours; whether it was another. `words` are its words, for a value that is no text. */
function say(cell, value, words = String) {
  if (cell.shows === value && value !== undefined) return false;
  cell.shows = value;
  setText(cell, words(value));
  return true;
}

/** How long something runs, for readers, who are not told each second. */
function roughly(minutes) {
  if (minutes === null) return "";
  return minutes < 1 ? "under a minute" : uptime(60 * minutes);
}

/** Say a value in a cell of ours to readers only. */
function tell(cell, value, words) {
  if (cell.shows === value && value !== undefined) return;
  cell.shows = value;
  cell.setAttribute("aria-label", words(value));
}

/** One row of the pool; its parts are kept so that filling it looks nothing up. */
function makeRow(canPick, onPick) {
  const cell = (name, ...inside) => make("span", { class: `grid-cell cell-${name}`, role: "gridcell" }, ...inside);
  const parts = {
    state: stateElement("waiting"),
    path: make("span", { class: "path" }),
    name: make("span", { class: "name" }),
    node: cell("node text-2"),
    pid: cell("pid right text-3"),
    uptime: cell("uptime right text-2"),
    cpu: cell("cpu right"),
    rss: cell("rss right"),
    restarts: cell("restarts right"),
    exit: cell("exit text-2"),
    pick: canPick ? make("input", { type: "checkbox", tabindex: "-1" }) : null,
  };
  parts.link = make("a", { tabindex: "-1" }, parts.path, parts.name);
  const row = make(
    "div",
    { class: "grid-row" },
    cell("pick", parts.pick),
    cell("state", parts.state),
    cell("name", parts.link),
    parts.node,
    parts.pid,
    parts.uptime,
    parts.cpu,
    parts.rss,
    parts.restarts,
    parts.exit,
  );
  parts.pick?.addEventListener("change", () => onPick(row.dataset.id));
  row.parts = parts;
  return row;
}
