import assert from "node:assert/strict";
import { test } from "node:test";
import { SparkPaint } from "../../static/js/lib/sparkpaint.js";

const LINE = { id: 7, top: 28, width: 72, height: 20, colour: "grey", isFaint: false, fromZero: true };

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
  paint.handle({ op: "add", id: 7, canvas, width: 72, height: 280, ratio: 2 });
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
  paint.handle({ op: "lines", lines: [{ ...LINE, points: Float64Array.of(1, 2, NaN, 4, 3) }] });
  assert.deepEqual(named(canvas.done, "setTransform"), [["setTransform", 2, 0, 0, 2, 0, 56]]);
  assert.deepEqual(named(canvas.done, "clearRect"), [["clearRect", 0, 0, 72, 20]]);
  assert.equal(named(canvas.done, "moveTo").length, 2);
  assert.equal(named(canvas.done, "lineTo").length, 2);
  assert.deepEqual(named(canvas.done, "globalAlpha"), [["globalAlpha", 1]]);
});

test("a line of a node that is silent is faint, and a row without points has none", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "lines", lines: [{ ...LINE, points: Float64Array.of(1, 2), isFaint: true }] });
  assert.deepEqual(named(canvas.done, "globalAlpha"), [["globalAlpha", 0.5]]);
  canvas.done.length = 0;
  paint.handle({ op: "lines", lines: [LINE] });
  assert.deepEqual(canvas.done, [["setTransform", 2, 0, 0, 2, 0, 56], ["clearRect", 0, 0, 72, 20]]);
});

test("a canvas that lies elsewhere is cleared as a whole", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "clear", id: 7 });
  assert.deepEqual(canvas.done, [["setTransform", 2, 0, 0, 2, 0, 0], ["clearRect", 0, 0, 72, 280]]);
});
