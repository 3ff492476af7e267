// Lines of many rows on canvases that each show one column of some rows. Runs in a worker, or in the page where canvases
// cannot be given to one; it is told everything with each message, and knows nothing of lists.
import { Ring } from "./ring.js";
import { drawSpark } from "./spark.js";

const FAINT = 0.5;

export class SparkPaint {
  #contexts = new Map();

  /** {op: "add", id, canvas, width, height, ratio}: a canvas, its size in CSS pixels; {op: "drop", ids};
   * {op: "clear", id}; {op: "lines", lines: [{id, top, width, height, points, colour, isFaint, fromZero}]}: without points, no line. */
  handle(message) {
    if (message.op === "add") this.#add(message);
    else if (message.op === "drop") for (const id of message.ids) this.#contexts.delete(id);
    else if (message.op === "clear") this.#clear(this.#contexts.get(message.id));
    else if (message.op === "lines") for (const line of message.lines) this.#line(line);
  }

  #add({ id, canvas, width, height, ratio }) {
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    this.#contexts.set(id, { context: canvas.getContext("2d"), width, height, ratio });
  }

  #clear({ context, width, height, ratio }) {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
  }

  #line({ id, top, width, height, points, colour, isFaint, fromZero }) {
    const { context, ratio } = this.#contexts.get(id);
    context.setTransform(ratio, 0, 0, ratio, 0, top * ratio);
    if (!points) {
      context.clearRect(0, 0, width, height);
      return;
    }
    const ring = new Ring(points.length);
    ring.fill(points);
    context.globalAlpha = isFaint ? FAINT : 1;
    drawSpark(context, ring, { width, height, colour, fromZero });
  }
}
