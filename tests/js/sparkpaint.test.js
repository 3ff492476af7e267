import assert from "node:assert/strict";
import { test } from "node:test";
import { SparkPaint } from "../../static/js/lib/sparkpaint.js";

/** One line: canvas, top, row, column, colour, whether it is faint. */
const lines = (...line) => ({ op: "lines", lines: Float64Array.from(line), colours: ["grey", "red"] });

/** A canvas that notes what is done to it: [name, ...arguments], and what was set. */
function makeCanvas() {
  const done = [];
  const context = new Proxy(
    {},
    {
      get: (_, name) => (...given) => done.push([name, ...given]),
      set: (_, name, value) => done.push([name, value]) > 0,
    },
  );
  return { done, getContext: () => context };
}

function added() {
  const paint = new SparkPaint();
  const canvas = makeCanvas();
  paint.handle({ op: "add", id: 7, canvas, height: 280, ratio: 2 });
  return { paint, canvas };
}

const named = (done, name) => done.filter(([each]) => each === name);

test("a canvas has the device's points", () => {
  const { canvas } = added();
  assert.equal(canvas.width, 144);
  assert.equal(canvas.height, 560);
});

test("a line is drawn at its place, broken where nothing is known", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "fill", row: 3, cpu: [1, 2, null, 4, 3], rss: [1] });
  paint.handle(lines(7, 28, 3, 0, 1, 0));
  assert.deepEqual(named(canvas.done, "setTransform"), [["setTransform", 2, 0, 0, 2, 0, 56]]);
  assert.deepEqual(named(canvas.done, "clearRect"), [["clearRect", 0, 0, 72, 20]]);
  assert.equal(named(canvas.done, "moveTo").length, 2);
  assert.equal(named(canvas.done, "lineTo").length, 2);
  assert.deepEqual(named(canvas.done, "globalAlpha"), [["globalAlpha", 1]]);
  assert.deepEqual(named(canvas.done, "strokeStyle"), [["strokeStyle", "red"]]);
});

test("a line goes on with what is pushed, each column with its own", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "fill", row: 0, cpu: [1], rss: [1] });
  paint.handle({ op: "fill", row: 1, cpu: [], rss: [] });
  paint.handle({ op: "push", rows: Int32Array.of(0, 1), cpu: Float64Array.of(2, NaN, 0), rss: Float64Array.of(NaN, 5, 0) });
  const joined = (row, column) => {
    canvas.done.length = 0;
    paint.handle(lines(7, 0, row, column, 0, 0));
    return [named(canvas.done, "moveTo").length, named(canvas.done, "lineTo").length];
  };
  assert.deepEqual(joined(0, 0), [1, 1]);
  assert.deepEqual(joined(0, 1), [1, 0]);
  assert.deepEqual(joined(1, 0), [0, 0]);
  assert.deepEqual(joined(1, 1), [1, 0]);
  paint.handle({ op: "fill", row: 0, cpu: [], rss: [] }); // the number is another row's now
  assert.deepEqual(joined(0, 0), [0, 0]);
});

test("a line of a node that is silent is faint, and a place without a row has none", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "fill", row: 0, cpu: [1, 2], rss: [1] });
  paint.handle(lines(7, 28, 0, 0, 0, 1));
  assert.deepEqual(named(canvas.done, "globalAlpha"), [["globalAlpha", 0.5]]);
  canvas.done.length = 0;
  paint.handle(lines(7, 28, -1, 0, 0, 0));
  assert.deepEqual(canvas.done, [["setTransform", 2, 0, 0, 2, 0, 56], ["clearRect", 0, 0, 72, 20]]);
});

test("a canvas that lies elsewhere is cleared as a whole", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "clear", id: 7 });
  assert.deepEqual(canvas.done, [["setTransform", 2, 0, 0, 2, 0, 0], ["clearRect", 0, 0, 72, 280]]);
});
