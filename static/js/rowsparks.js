// Sparklines in rows: the last sixty points of what is on screen, continued as samples come.
import { colours, prepare } from "./canvas.js";
import { drawSpark } from "./lib/spark.js";
import { Ring } from "./lib/ring.js";
import { live } from "./live.js";

const POINTS = 60;
const KEPT = 400;
const HOT_CPU = 0.9;

export class Sparks {
  /** shownIds(): the rows on screen. */
  constructor(shownIds) {
    this.shownIds = shownIds;
    this.rings = new Map();
    this.asked = new Set();
  }

  /** Ask for rows that came into view; what left the screen is forgotten when there is too much of it. */
  ask() {
    const shown = this.shownIds();
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

  draw(id, cpuCanvas, rssCanvas, value) {
    const rings = this.rings.get(id);
    const ink = colours();
    this.line(cpuCanvas, rings?.cpu, value("cpu") >= HOT_CPU ? ink.warn : ink["text-2"], true);
    this.line(rssCanvas, rings?.rss, ink["text-2"], false);
  }

  /** A line that stands there already is not drawn again. */
  line(canvas, ring, colour, fromZero) {
    if (ring ? canvas.ring === ring && canvas.pushed === ring.pushed && canvas.colour === colour : !canvas.ring) return;
    const { context, width, height } = prepare(canvas, 72, 20);
    Object.assign(canvas, { ring, pushed: ring?.pushed, colour });
    if (ring) drawSpark(context, ring, { width, height, colour, fromZero });
    else context.clearRect(0, 0, width, height);
  }
}
