// Lines, numbers and times of many rows on canvases that each show one column of some rows. Runs in a worker, or in the page where
// canvases cannot be given to one. It holds the points of every row it was told of, by a number, so that a frame brings numbers
// only; it knows nothing of lists.
import { bytes, percentInColumn, uptime } from "./format.js";
import { Ring } from "./ring.js";
import { drawSpark } from "./spark.js";
import { Type } from "./type.js";

export const POINTS = 60;
/** The columns that have a line, and behind them the one that has the time since its number (Unix seconds). */
export const LINES = ["cpu", "rss"];
export const COLUMNS = [...LINES, "uptime"];
/** CSS pixels: of a canvas of each column, of the line at its left, and of both; the number ends at its right. */
export const WIDTHS = { cpu: 136, rss: 136, uptime: 72 };
export const LINE_WIDTH = 72;
export const HEIGHT = 20;
/** Numbers that a cell takes in `cells`: its canvas, its top in CSS pixels, the row of its line (-1: none), its column, the colour
 * of the line or the time, whether all of it is faint, its number (NaN: not known, NONE: no number). */
export const CELL = 7;
export const NONE = -1;

const FAINT = 0.5;
const WORDS = { cpu: percentInColumn, rss: bytes };

export class SparkPaint {
  #contexts = new Map();
  #rows = [];
  #type = new Type("13px sans-serif");
  #now = 0;

  /** {op: "add", id, canvas, column, height, ratio}: a canvas, its height in CSS pixels; {op: "drop", ids}; {op: "clear", id};
   * {op: "type", font}: numbers are set in this, as CSS has it; {op: "fill", row, cpu, rss}: all points of a row;
   * {op: "push", rows, cpu, rss}: one more of each, NaN for a gap; {op: "cells", cells, colours, text, now}: draw these, CELL
   * numbers each, lines and times in one of the colours, numbers in that of text, times as of now (Unix seconds); {op: "tick",
   * now}: times go on. */
  handle(message) {
    if (message.op === "add") this.#add(message);
    else if (message.op === "drop") for (const id of message.ids) this.#contexts.delete(id);
    else if (message.op === "clear") this.#clear(this.#contexts.get(message.id));
    else if (message.op === "tick") this.#tick(message.now);
    else if (message.op === "type") this.#setType(message.font);
    else if (message.op === "fill") this.#fill(message);
    else if (message.op === "push") this.#push(message);
    else if (message.op === "cells") this.#cells(message);
  }

  #add({ id, canvas, column, height, ratio }) {
    const width = WIDTHS[column];
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    this.#contexts.set(id, { context: canvas.getContext("2d"), width, height, ratio, times: new Map() });
  }

  #clear({ context, width, height, ratio, times }) {
    times.clear();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
  }

  #setType(font) {
    this.#type = new Type(font);
    for (const { times } of this.#contexts.values()) for (const time of times.values()) time.shows = null;
  }

  #tick(now) {
    this.#now = now;
    for (const on of this.#contexts.values()) for (const [top, time] of on.times) this.#time(on, top, time);
  }

  #fill({ row, ...points }) {
    this.#rows[row] ??= LINES.map(() => new Ring(POINTS));
    this.#rows[row].forEach((ring, column) => ring.fill(points[LINES[column]]));
  }

  #push({ rows, ...points }) {
    for (let at = 0; at < rows.length; at += 1) this.#rows[rows[at]].forEach((ring, column) => ring.push(points[LINES[column]][at]));
  }

  #cells({ cells, now, ...look }) {
    this.#now = now;
    for (let at = 0; at < cells.length; at += CELL) this.#cell(cells.subarray(at, at + CELL), look);
  }

  #cell([id, top, row, column, colour, isFaint, number], { colours, text }) {
    const on = this.#contexts.get(id);
    const name = COLUMNS[column];
    if (name === "uptime") {
      const { shows } = on.times.get(top) ?? {};
      const time = { since: number, colour: colours[colour], isFaint, shows };
      on.times.set(top, time);
      this.#time(on, top, time);
      return;
    }
    this.#begin(on, top, isFaint);
    if (row >= 0) drawSpark(on.context, this.#rows[row][column], { width: LINE_WIDTH, height: HEIGHT, colour: colours[colour], fromZero: name === "cpu" });
    if (number !== NONE) this.#words(on, WORDS[name](Number.isNaN(number) ? null : number), text);
  }

  /** Draw a time, unless it stands there already. */
  #time(on, top, time) {
    const { since, colour, isFaint } = time;
    const words = since > 0 ? uptime(this.#now - since) : "";
    const shows = `${words} ${colour} ${isFaint}`;
    if (shows === time.shows) return;
    time.shows = shows;
    this.#begin(on, top, isFaint);
    if (words) this.#words(on, words, colour);
  }

  #begin({ context, width, ratio }, top, isFaint) {
    context.setTransform(ratio, 0, 0, ratio, 0, top * ratio);
    context.clearRect(0, 0, width, HEIGHT);
    context.globalAlpha = isFaint ? FAINT : 1;
  }

  #words({ context, width }, words, colour) {
    this.#type.draw(context, words, { right: width, middle: HEIGHT / 2, colour });
  }
}
