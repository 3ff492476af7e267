// Sparklines in rows: the last sixty points of what is on screen, continued as samples come.
//
// The lines do not stand in the rows. Tiles lie over the list, each with a canvas for either column of some rows, and a worker
// draws on them: strokes of two lines in each row, each second, took the page's own thread as long as all the rest of a frame.
// Tiles never move while they are in view, so that a line is never seen at another row's place.
import { colours } from "./canvas.js";
import { make } from "./dom.js";
import { SparkPaint } from "./lib/sparkpaint.js";
import { tilesOver } from "./lib/virtual.js";
import { Ring } from "./lib/ring.js";
import { live } from "./live.js";
import { policy } from "./trusted.js";

const POINTS = 60;
const KEPT = 400;
const HOT_CPU = 0.9;
const WIDTH = 72;
const HEIGHT = 20;
const TILE = 24; // rows

export class Sparks {
  /** grid: the virtual list; cells: names of the classes of a row's cells, so that a tile has the columns of a row; script:
   * address of the worker's. */
  constructor(grid, { cells, script }) {
    this.grid = grid;
    this.cells = cells;
    this.painter = makePainter(script);
    this.tiles = [];
    this.rings = new Map();
    this.asked = new Set();
  }

  /** Ask for rows that came into view; what left the screen is forgotten when there is too much of it. */
  ask() {
    const shown = [...this.grid.shown.keys()];
    const missing = shown.filter((id) => !this.rings.has(id) && !this.asked.has(id));
    if (missing.length > 0) {
      missing.forEach((id) => this.asked.add(id));
      live.askSparks(missing);
    }
    if (this.rings.size > KEPT) {
      const kept = new Set(shown);
      for (const id of this.rings.keys()) if (!kept.has(id)) this.forget(id);
    }
  }

  forget(id) {
    this.rings.delete(id);
    this.asked.delete(id);
  }

  fill(rows) {
    for (const [id, { cpu, rss }] of Object.entries(rows)) {
      const rings = { cpu: new Ring(POINTS), rss: new Ring(POINTS) };
      rings.cpu.fill(cpu);
      rings.rss.fill(rss);
      this.rings.set(id, rings);
    }
  }

  /** The present values of the nodes that were sampled; a row that has none gets a gap. */
  push(nodes, table) {
    if (!nodes || nodes.length === 0) return;
    const sampled = new Set(nodes);
    for (const [id, rings] of this.rings) {
      const row = table.index.get(id);
      if (row === undefined) {
        this.forget(id);
      } else if (sampled.has(table.value(row, "node"))) {
        rings.cpu.push(table.value(row, "cpu"));
        rings.rss.push(table.value(row, "rss"));
      }
    }
  }

  /** Draw the lines in view that are not what they should be. */
  draw(table) {
    this.cover();
    const { grid } = this;
    const ink = colours();
    const lines = [];
    for (const [id, row] of grid.shown) {
      if (!grid.isInView(row)) continue;
      const tile = this.tileAt.get(Math.floor(row.place / TILE));
      const rings = this.rings.get(id);
      const isHot = rings && table.value(table.index.get(id), "cpu") >= HOT_CPU;
      const isFaint = Boolean(row.silent);
      tile.line(lines, "cpu", row.place, rings?.cpu, { colour: isHot ? ink.warn : ink["text-2"], isFaint, fromZero: true });
      tile.line(lines, "rss", row.place, rings?.rss, { colour: ink["text-2"], isFaint, fromZero: false });
    }
    if (lines.length > 0) this.painter.send({ op: "lines", lines });
  }

  /** Lay tiles over what is in view. */
  cover() {
    const { from, to, order, rowHeight } = this.grid;
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

/** Some rows' places, with a canvas for either column. */
class Tile {
  static made = 0;

  constructor(painter, cells, rowHeight, ratio) {
    Object.assign(this, { painter, rowHeight, number: null, drawn: {}, columns: {} });
    const canvases = { cpu: make("canvas"), rss: make("canvas") };
    this.element = make("div", { class: "grid-sparks", "aria-hidden": "true" }, ...cells.map((name) => make("span", { class: `cell-${name}` }, canvases[name])));
    for (const [name, canvas] of Object.entries(canvases)) {
      this.columns[name] = Tile.made += 1;
      const height = TILE * rowHeight;
      canvas.style.height = `${height}px`;
      painter.add({ op: "add", id: this.columns[name], canvas, width: WIDTH, height, ratio });
    }
  }

  /** Lie elsewhere, with nothing drawn. */
  move(number) {
    this.number = number;
    this.drawn = { cpu: [], rss: [] };
    this.element.style.transform = `translateY(${number * TILE * this.rowHeight}px)`;
    for (const id of Object.values(this.columns)) this.painter.send({ op: "clear", id });
  }

  drop() {
    this.element.remove();
    this.painter.send({ op: "drop", ids: Object.values(this.columns) });
  }

  /** Add to `lines` that of a place of the list, unless it stands there already. */
  line(lines, column, place, ring, { colour, isFaint, fromZero }) {
    const at = place - this.number * TILE;
    const drawn = this.drawn[column][at];
    if (drawn?.ring === ring && (!ring || (drawn.pushed === ring.pushed && drawn.colour === colour && drawn.isFaint === isFaint))) return;
    this.drawn[column][at] = ring && { ring, pushed: ring.pushed, colour, isFaint };
    const top = at * this.rowHeight + (this.rowHeight - HEIGHT) / 2;
    lines.push({ id: this.columns[column], top, width: WIDTH, height: HEIGHT, points: ring?.read(), colour, isFaint, fromZero });
  }
}

/** {add(message), send(message)}: a worker that draws, or the page itself where canvases cannot be given away. */
function makePainter(script) {
  if (!script || !("transferControlToOffscreen" in HTMLCanvasElement.prototype)) {
    const paint = new SparkPaint();
    return { add: (message) => paint.handle(message), send: (message) => paint.handle(message) };
  }
  const worker = new Worker(policy.createScriptURL(script), { type: "module" });
  return {
    send: (message) => worker.postMessage(message),
    add: (message) => {
      const canvas = message.canvas.transferControlToOffscreen();
      worker.postMessage({ ...message, canvas }, [canvas]);
    },
  };
}
