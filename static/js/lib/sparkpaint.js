// Lines and numbers of many rows on canvases that each show one column of some rows. Runs in a worker, or in the page where
// canvases cannot be given to one. It holds the points of every row it was told of, by a number, so that a frame brings numbers
// only; it knows nothing of lists.
import { bytes, percentInColumn } from "./format.js";
import { Ring } from "./ring.js";
import { drawSpark } from "./spark.js";
import { Type } from "./type.js";

export const POINTS = 60;
/** CSS pixels: of a canvas, of the line at its left, and of both; the number ends at its right. */
export const WIDTH = 136;
export const LINE_WIDTH = 72;
export const HEIGHT = 20;
export const COLUMNS = ["cpu", "rss"];
/** Numbers that a cell takes in `cells`: its canvas, its top in CSS pixels, the row of its line (-1: none), its column, the line's
 * colour, whether both are faint, its number (NaN: not known, NONE: no number). */
export const CELL = 7;
export const NONE = -1;

const FAINT = 0.5;
const WORDS = { cpu: percentInColumn, rss: bytes };

export class SparkPaint {
  #contexts = new Map();
  #rows = [];
  #type = new Type("13px sans-serif");

  /** {op: "add", id, canvas, height, ratio}: a canvas, its height in CSS pixels; {op: "drop", ids}; {op: "clear", id};
   * {op: "type", font}: numbers are set in this, as CSS has it; {op: "fill", row, cpu, rss}: all points of a row;
   * {op: "push", rows, cpu, rss}: one more of each, NaN for a gap; {op: "cells", cells, colours, text}: draw these, CELL numbers
   * each, lines in one of the colours, numbers in that of text. */
  handle(message) {
    if (message.op === "add") this.#add(message);
    else if (message.op === "drop") for (const id of message.ids) this.#contexts.delete(id);
    else if (message.op === "clear") this.#clear(this.#contexts.get(message.id));
    else if (message.op === "type") this.#type = new Type(message.font);
    else if (message.op === "fill") this.#fill(message);
    else if (message.op === "push") this.#push(message);
    else if (message.op === "cells") for (let at = 0; at < message.cells.length; at += CELL) this.#cell(message.cells.subarray(at, at + CELL), message);
  }

  #add({ id, canvas, height, ratio }) {
    canvas.width = Math.max(1, Math.round(WIDTH * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    this.#contexts.set(id, { context: canvas.getContext("2d"), height, ratio });
  }

  #clear({ context, height, ratio }) {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, WIDTH, height);
  }

  #fill({ row, ...points }) {
    this.#rows[row] ??= COLUMNS.map(() => new Ring(POINTS));
    this.#rows[row].forEach((ring, column) => ring.fill(points[COLUMNS[column]]));
  }

  #push({ rows, ...points }) {
    for (let at = 0; at < rows.length; at += 1) this.#rows[rows[at]].forEach((ring, column) => ring.push(points[COLUMNS[column]][at]));
  }

  #cell([id, top, row, column, colour, isFaint, number], { colours, text }) {
    const { context, ratio } = this.#contexts.get(id);
    context.setTransform(ratio, 0, 0, ratio, 0, top * ratio);
    context.clearRect(0, 0, WIDTH, HEIGHT);
    context.globalAlpha = isFaint ? FAINT : 1;
    const name = COLUMNS[column];
    if (row >= 0) drawSpark(context, this.#rows[row][column], { width: LINE_WIDTH, height: HEIGHT, colour: colours[colour], fromZero: name === "cpu" });
    if (number !== NONE) this.#type.draw(context, WORDS[name](Number.isNaN(number) ? null : number), { right: WIDTH, middle: HEIGHT / 2, colour: text });
  }
}
