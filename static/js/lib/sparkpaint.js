// Lines of many rows on canvases that each show one column of some rows. Runs in a worker, or in the page where canvases
// cannot be given to one. It holds the points of every row it was told of, by a number, so that a frame brings numbers only; it
// knows nothing of lists.
import { Ring } from "./ring.js";
import { drawSpark } from "./spark.js";

export const POINTS = 60;
export const WIDTH = 72;
export const HEIGHT = 20;
export const COLUMNS = ["cpu", "rss"];
/** Numbers that a line takes in `lines`: its canvas, its top in CSS pixels, its row (-1: none), its column, its colour, whether it is faint. */
export const LINE = 6;

const FAINT = 0.5;

export class SparkPaint {
  #contexts = new Map();
  #rows = [];

  /** {op: "add", id, canvas, height, ratio}: a canvas, its height in CSS pixels; {op: "drop", ids}; {op: "clear", id};
   * {op: "fill", row, cpu, rss}: all points of a row; {op: "push", rows, cpu, rss}: one more of each, NaN for a gap;
   * {op: "lines", lines, colours}: draw these, LINE numbers each. */
  handle(message) {
    if (message.op === "add") this.#add(message);
    else if (message.op === "drop") for (const id of message.ids) this.#contexts.delete(id);
    else if (message.op === "clear") this.#clear(this.#contexts.get(message.id));
    else if (message.op === "fill") this.#fill(message);
    else if (message.op === "push") this.#push(message);
    else if (message.op === "lines") for (let at = 0; at < message.lines.length; at += LINE) this.#line(message.lines.subarray(at, at + LINE), message.colours);
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

  #line([id, top, row, column, colour, isFaint], colours) {
    const { context, ratio } = this.#contexts.get(id);
    context.setTransform(ratio, 0, 0, ratio, 0, top * ratio);
    if (row < 0) {
      context.clearRect(0, 0, WIDTH, HEIGHT);
      return;
    }
    context.globalAlpha = isFaint ? FAINT : 1;
    drawSpark(context, this.#rows[row][column], { width: WIDTH, height: HEIGHT, colour: colours[colour], fromZero: COLUMNS[column] === "cpu" });
  }
}
