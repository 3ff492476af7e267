// What changes each second in rows: sparklines, the last sixty points of what is on screen continued as samples come, the
// number behind each, and how long a process runs.
//
// They do not stand in the rows. Tiles lie over the list, each with a canvas for each such column of some rows, and a worker draws
// on them: strokes of two lines in each row, each second, took the page's own thread as long as all the rest of a frame, and
// new words in a cell cost it layout and paint. The worker holds the points too; it is sent the newest as plain numbers. Tiles
// never move while they are in view, so that nothing is seen at another row's place. The cells below say their number to
// readers (aria-label); where tiles are not shown, as on a phone, they show it themselves.
import { colours } from "./canvas.js";
import { make } from "./dom.js";
import { COLUMNS, HEIGHT, LINES, NONE, SparkPaint, WIDTHS } from "./lib/sparkpaint.js";
import { tilesOver } from "./lib/virtual.js";
import { live } from "./live.js";
import { policy } from "./trusted.js";

const KEPT = 400;
const HOT_CPU = 0.9;
const TILE = 24; // rows
const PLAIN = 0;
const HOT = 1;
const NOTHING = { number: -1, told: 0 };
const LOOK = [...COLUMNS, "isHot", "isFaint", "ink"];
const FORCED = "(forced-colors: active)";

export class Sparks {
  /** grid: the virtual list; cells: names of the classes of a row's cells, so that a tile has the columns of a row; script, font:
   * addresses of the worker's and of its type; onShown(): tiles are shown now, or are not any more. */
  constructor(grid, { cells, script, font, onShown }) {
    Object.assign(this, { grid, cells, onShown });
    this.painter = makePainter(script, font);
    this.tiles = [];
    this.isShown = false;
    this.rows = new Map(); // id: {number: the painter's, told: how often its points became others}
    this.free = [];
    this.asked = new Set();
    new ResizeObserver(() => this.onResized()).observe(grid.holder);
    matchMedia(FORCED).addEventListener("change", () => this.look());
    document.fonts?.ready.then(() => this.setType());
  }

  /** The style sheet looks at widths only; of another height the list tells itself (onDrawn). */
  onResized() {
    const width = this.grid.holder.clientWidth;
    if (this.width === width) return;
    this.width = width;
    this.look();
  }

  /** Whether the style sheet shows tiles here; never in a reader's own colours, which canvases do not know. */
  look() {
    this.cover();
    const tile = this.tiles[0] ?? this.makeTile();
    const isShown = getComputedStyle(tile.element).display !== "none";
    if (this.isShown === isShown) return;
    this.isShown = isShown;
    if (isShown) this.setType();
    this.onShown();
  }

  /** Numbers are set as the list's words are. */
  setType() {
    const { fontWeight, fontSize, fontFamily } = getComputedStyle(this.grid.holder);
    this.painter.send({ op: "type", font: `${fontWeight} ${fontSize} ${fontFamily}` });
    for (const tile of this.tiles) tile.drawn = [];
  }

  /** Ask for rows that came into view; what left the screen is forgotten when there is too much of it. */
  ask() {
    const shown = [...this.grid.shown.keys()];
    const missing = shown.filter((id) => !this.rows.has(id) && !this.asked.has(id));
    if (missing.length > 0) {
      missing.forEach((id) => this.asked.add(id));
      live.askSparks(missing);
    }
    if (this.rows.size > KEPT) {
      const kept = new Set(shown);
      for (const id of this.rows.keys()) if (!kept.has(id)) this.forget(id);
    }
  }

  forget(id) {
    this.free.push(this.rows.get(id).number);
    this.rows.delete(id);
    this.asked.delete(id);
  }

  fill(rows) {
    for (const [id, { cpu, rss }] of Object.entries(rows)) {
      if (!this.rows.has(id)) this.rows.set(id, { number: this.free.pop() ?? this.rows.size, told: 0 });
      const row = this.rows.get(id);
      row.told += 1;
      this.painter.send({ op: "fill", row: row.number, cpu, rss });
    }
  }

  /** The present values of the nodes that were sampled; a row that has none gets a gap. */
  push(nodes, table) {
    if (!nodes || nodes.length === 0 || this.rows.size === 0) return;
    const sampled = new Set(nodes);
    const { node, cpu, rss } = table.values;
    const rows = new Int32Array(this.rows.size);
    const values = { cpu: new Float64Array(rows.length), rss: new Float64Array(rows.length) };
    let number = 0;
    for (const [id, row] of this.rows) {
      const at = table.index.get(id);
      if (at === undefined) {
        this.forget(id);
      } else if (sampled.has(node[at])) {
        row.told += 1;
        rows[number] = row.number;
        values.cpu[number] = cpu[at] ?? NaN;
        values.rss[number] = rss[at] ?? NaN;
        number += 1;
      }
    }
    if (number > 0) this.painter.send({ op: "push", rows: rows.subarray(0, number), ...values });
  }

  /** Times go on: now, in Unix seconds. */
  tick(now) {
    if (this.isShown) this.painter.send({ op: "tick", now });
  }

  /** Draw what is in view and not what it should be. */
  draw(table) {
    this.cover();
    if (!this.isShown) return;
    const { grid } = this;
    const ink = colours();
    const cells = [];
    for (const [id, element] of grid.shown) {
      if (!grid.isInView(element)) continue;
      const row = this.rows.get(id) ?? NOTHING;
      const at = table.index.get(id);
      const [cpu, rss] = LINES.map((name) => (at === undefined ? NONE : (table.values[name]?.[at] ?? NaN)));
      const uptime = (at !== undefined && table.values.since?.[at]) || NONE;
      const isHot = row !== NOTHING && cpu >= HOT_CPU;
      this.tileAt.get(Math.floor(element.place / TILE)).put(cells, element.place, row, { cpu, rss, uptime, isHot, isFaint: Boolean(element.silent), ink });
    }
    if (cells.length > 0) this.painter.send({ op: "cells", cells: Float64Array.from(cells), colours: [ink["text-2"], ink.warn], text: ink.text, now: live.now() });
  }

  /** Lay tiles over what is in view. */
  cover() {
    const { from = 0, to = 0, order, rowHeight } = this.grid;
    const ratio = globalThis.devicePixelRatio || 1;
    if (this.rowHeight !== rowHeight || this.ratio !== ratio) {
      for (const tile of this.tiles) tile.drop();
      Object.assign(this, { rowHeight, ratio, tiles: [] });
    }
    const wanted = tilesOver({ from, to, total: order.length, size: TILE });
    const free = this.tiles.filter(({ number }) => !wanted.includes(number));
    for (const number of wanted) if (!this.tiles.some((tile) => tile.number === number)) (free.pop() ?? this.makeTile()).move(number);
    this.tileAt = new Map(this.tiles.map((tile) => [tile.number, tile]));
  }

  makeTile() {
    const tile = new Tile(this.painter, this.cells, this.rowHeight, this.ratio);
    this.tiles.push(tile);
    this.grid.space.append(tile.element);
    return tile;
  }
}

/** Some rows' places, with a canvas for each column. */
class Tile {
  static made = 0;

  constructor(painter, cells, rowHeight, ratio) {
    Object.assign(this, { painter, rowHeight, number: null, drawn: [], ids: [] });
    const canvases = Object.fromEntries(COLUMNS.map((name) => [name, make("canvas")]));
    this.element = make("div", { class: "grid-sparks", "aria-hidden": "true" }, ...cells.map((name) => make("span", { class: `cell-${name}` }, canvases[name])));
    const height = TILE * rowHeight;
    for (const [column, canvas] of Object.entries(canvases)) {
      const id = (Tile.made += 1);
      this.ids.push(id);
      canvas.style.width = `${WIDTHS[column]}px`;
      canvas.style.height = `${height}px`;
      painter.add({ op: "add", id, canvas, column, height, ratio });
    }
  }

  /** Lie elsewhere, with nothing drawn. */
  move(number) {
    this.number = number;
    this.drawn = [];
    this.element.style.transform = `translateY(${number * TILE * this.rowHeight}px)`;
    for (const id of this.ids) this.painter.send({ op: "clear", id });
  }

  drop() {
    this.element.remove();
    this.painter.send({ op: "drop", ids: this.ids });
  }

  /** Add to `cells` those of a place of the list, unless they stand there already. */
  put(cells, place, row, look) {
    const at = place - this.number * TILE;
    const drawn = this.drawn[at];
    if (drawn && drawn.row === row && drawn.told === row.told && LOOK.every((name) => Object.is(drawn.look[name], look[name]))) return;
    this.drawn[at] = { row, told: row.told, look };
    const top = at * this.rowHeight + (this.rowHeight - HEIGHT) / 2;
    this.ids.forEach((id, column) => {
      const name = COLUMNS[column];
      cells.push(id, top, row.number, column, look.isHot && name === "cpu" ? HOT : PLAIN, look.isFaint ? 1 : 0, look[name]);
    });
  }
}

/** {add(message), send(message)}: a worker that draws, or the page itself where canvases cannot be given away. */
function makePainter(script, font) {
  if (!script || !("transferControlToOffscreen" in HTMLCanvasElement.prototype)) {
    const paint = new SparkPaint();
    return { add: (message) => paint.handle(message), send: (message) => paint.handle(message) };
  }
  const worker = new Worker(policy.createScriptURL(script), { type: "module" });
  worker.postMessage({ op: "load", font });
  return {
    send: (message) => worker.postMessage(message),
    add: (message) => {
      const canvas = message.canvas.transferControlToOffscreen();
      worker.postMessage({ ...message, canvas }, [canvas]);
    },
  };
}
