// A virtual list: as many row elements as fit, moved over a scrolled space. Knows nothing of what a row shows.
import { countMoved, scrollToShow, visibleRange } from "./lib/virtual.js";
import { make } from "./dom.js";

const SPARE = 10;
const PATIENCE_MS = 500;
const LEAST_MS = 3;

export class VirtualGrid {
  /**
   * holder: the element that scrolls. makeRow(): a row element, made once for each place of the pool.
   * fillRow(element, id, changed): shows row `id`. open(id, event): Enter or a double click. Ids are row numbers of the caller.
   */
  constructor(holder, { makeRow, fillRow, clearRow = () => {}, open = () => {}, pick = () => {}, onMoved = () => {}, onDrawn = () => {} }) {
    Object.assign(this, { holder, makeRow, fillRow, clearRow, open, pick, onMoved, onDrawn });
    this.order = [];
    this.pending = null;
    this.focused = null;
    this.pool = [];
    this.shown = new Map();
    this.space = make("div", { class: "grid-space", role: "presentation" });
    holder.replaceChildren(this.space);
    this.measure();
    this.listen();
  }

  measure() {
    this.rowHeight = parseFloat(getComputedStyle(this.holder).getPropertyValue("--row")) || 28;
  }

  listen() {
    this.holder.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.onResized()).observe(this.holder);
    const settle = () => this.pending && !this.isBusy() && this.setOrder(this.pending, { force: true });
    this.holder.addEventListener("pointerleave", settle);
    this.holder.addEventListener("focusout", () => queueMicrotask(settle));
    this.holder.addEventListener("keydown", (event) => this.onKey(event));
    this.holder.addEventListener("dblclick", (event) => {
      const row = event.target.closest("[data-row]");
      if (row) this.open(row.dataset.row, event);
    });
    this.holder.addEventListener("focusin", (event) => {
      const row = event.target.closest("[data-row]");
      if (row) this.focused = row.dataset.row;
    });
  }

  /** The list's own length changes the holder's height too: what was drawn for that is not drawn again. */
  onResized() {
    const { clientWidth: width, clientHeight: height } = this.holder;
    if (this.width === width && this.drawnHeight === height) return;
    this.width = width;
    const before = this.rowHeight;
    this.measure();
    if (before !== this.rowHeight) this.setHeight();
    this.draw({ sparesLater: true });
  }

  /** Rows must not jump under a click. */
  isBusy() {
    return this.holder.matches(":hover") || this.holder.contains(document.activeElement);
  }

  /** The ids to show, in order. While someone points at the list the new order waits, and onMoved says how much it would move. */
  setOrder(order, { force = false } = {}) {
    const sameRows = order.length === this.order.length && countMoved(this.order, order) === 0;
    if (!force && !sameRows && this.order.length > 0 && this.isBusy()) {
      this.pending = order;
      this.onMoved(countMoved(this.order, order));
      return;
    }
    this.pending = null;
    this.onMoved(0);
    this.order = order;
    this.places = null;
    this.setHeight();
    this.holder.closest("[role=grid]")?.setAttribute("aria-rowcount", String(order.length + 1));
    this.draw({ sparesLater: true });
  }

  setHeight() {
    const height = `${this.order.length * this.rowHeight}px`;
    if (height === this.height) return;
    this.height = height;
    this.space.style.height = height;
    this.holder.style.setProperty("--list-height", height);
  }

  applyPending() {
    if (this.pending) this.setOrder(this.pending, { force: true });
  }

  /** So many rows are kept in the page at most, whatever the list's height is now. */
  capacity() {
    return Math.ceil(innerHeight / this.rowHeight) + SPARE;
  }

  /** Show the list from its beginning. */
  toTop() {
    if (this.from > 0) this.holder.scrollTop = 0;
  }

  /** Fill these ids again where they are on screen. */
  refresh(ids) {
    for (const id of ids) {
      const row = this.shown.get(String(id));
      if (row) this.fillSeen(row, id);
    }
  }

  /** Fill a row that is in view, and say so. One that is kept ready outside is written to when it comes into view: each write
   * costs layout and paint, seen or not. */
  fillSeen(row, id, changed) {
    row.isLate = !this.isInView(row);
    if (!row.isLate) this.fillRow(row, id, changed);
    return !row.isLate;
  }

  isInView(row) {
    return row.place >= this.from && row.place < this.to;
  }

  schedule() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  /** sparesLater: of rows that were not shown, those in view are filled now, and those kept ready outside when there is time. */
  draw({ sparesLater = false } = {}) {
    const { scrollTop, clientHeight: height } = this.holder;
    this.drawnHeight = height;
    const { first, count } = visibleRange({ scrollTop, height, rowHeight: this.rowHeight, total: this.order.length, spare: SPARE });
    this.from = Math.floor(scrollTop / this.rowHeight);
    this.to = Math.ceil((scrollTop + height) / this.rowHeight);
    const wanted = new Map();
    for (let place = first; place < first + count; place += 1) wanted.set(String(this.order[place]), place);
    for (const id of this.shown.keys()) if (!wanted.has(id)) this.shown.delete(id);
    const used = new Set(this.shown.values());
    const free = this.pool.filter((row) => !used.has(row));
    for (const [id, place] of wanted) {
      let row = this.shown.get(id);
      if (!row) {
        row = free.pop() ?? this.grow();
        row.dataset.row = id;
        row.isEmpty = true;
        this.shown.set(id, row);
      }
      this.put(row, place);
      if (row.isEmpty && sparesLater && !this.isInView(row)) this.clear(row);
      else if (row.isEmpty) this.fillEmpty(row, this.order[place]);
      else if (row.isLate) this.fillSeen(row, this.order[place]);
    }
    if (sparesLater) this.soonSpares();
    for (const row of free) {
      delete row.dataset.row;
      this.clear(row);
    }
    this.rove();
    this.onDrawn();
  }

  /** Show nothing in it: it keeps its place in the layout, which would have to be made anew for the row that comes into it. */
  clear(row) {
    row.setAttribute("aria-hidden", "true");
    row.isLate = false;
    this.clearRow(row);
  }

  fillEmpty(row, id) {
    row.isEmpty = false;
    row.isLate = false;
    row.removeAttribute("aria-hidden");
    this.fillRow(row, id);
  }

  /** Fill the rows that are kept ready outside the view, a few whenever the page has nothing else to do. */
  soonSpares() {
    this.idling ??= whenIdle((hasTime) => {
      this.idling = null;
      for (const row of this.shown.values()) {
        if (!row.isEmpty) continue;
        if (!hasTime()) return this.soonSpares();
        this.fillEmpty(row, this.order[row.place]);
      }
    });
  }

  /** Writes only what is another than before: each write costs layout and paint. */
  put(row, place) {
    const top = place * this.rowHeight;
    if (row.top !== top) {
      row.top = top;
      row.style.transform = `translateY(${top}px)`;
    }
    if (row.place === place) return;
    row.place = place;
    row.setAttribute("aria-rowindex", String(place + 2));
  }

  grow() {
    const row = this.makeRow();
    row.setAttribute("role", "row");
    this.pool.push(row);
    this.space.append(row);
    return row;
  }

  /** One row can be reached with Tab; the arrows move between them. */
  rove() {
    const reachable = this.shown.has(String(this.focused)) ? String(this.focused) : String(this.order[0]);
    for (const [id, row] of this.shown) row.tabIndex = id === reachable ? 0 : -1;
  }

  placeOf(id) {
    this.places ??= new Map(this.order.map((row, place) => [String(row), place]));
    return this.places.get(String(id)) ?? -1;
  }

  focusPlace(place) {
    if (this.order.length === 0) return;
    const row = Math.max(0, Math.min(this.order.length - 1, place));
    this.holder.scrollTop = scrollToShow({ row, scrollTop: this.holder.scrollTop, height: this.holder.clientHeight, rowHeight: this.rowHeight });
    this.focused = String(this.order[row]);
    this.draw();
    this.shown.get(this.focused)?.focus({ preventScroll: true });
  }

  move(step) {
    this.focusPlace(this.focused === null ? 0 : this.placeOf(this.focused) + step);
  }

  onKey(event) {
    if (!event.target.closest("[data-row]") || event.target.matches("input, select, button")) return;
    const page = Math.max(1, Math.floor(this.holder.clientHeight / this.rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === "Home") this.focusPlace(0);
    else if (event.key === "End") this.focusPlace(this.order.length - 1);
    else if (event.key === "Enter" && !event.target.closest("a")) this.open(this.focused, event);
    else if (event.key === "x") this.pick(this.focused);
    else if (event.key === "Escape") event.target.blur();
    else return;
    event.preventDefault();
  }
}

/** Call work(hasTime) when the page has nothing else to do, after PATIENCE_MS at the latest; at once is soon enough where a browser
 * does not tell. */
function whenIdle(work) {
  if (!globalThis.requestIdleCallback) return setTimeout(work, 0, () => true);
  return requestIdleCallback((idle) => work(() => idle.didTimeout || idle.timeRemaining() > LEAST_MS), { timeout: PATIENCE_MS });
}
