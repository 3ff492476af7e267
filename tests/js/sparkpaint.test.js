import assert from "node:assert/strict";
import { test } from "node:test";
import { NONE, SparkPaint } from "../../static/js/lib/sparkpaint.js";

const NOW = 1_800_000_000;

/** One cell: canvas, top, row, column, the line's colour, whether it is faint, its number. */
const cells = (...cell) => ({ op: "cells", cells: Float64Array.from(cell), colours: ["grey", "red"], text: "black", now: NOW });

/** A canvas that notes what is done to it: [name, ...arguments], and what was set. A 1 is 5 wide, all other letters 8. */
function makeCanvas() {
  const done = [];
  const measureText = (text) => ({ width: [...text].reduce((wide, letter) => wide + (letter === "1" ? 5 : 8), 0), fontBoundingBoxAscent: 12, fontBoundingBoxDescent: 4 });
  const context = new Proxy(
    {},
    {
      get: (_, name) => (name === "measureText" ? measureText : (...given) => done.push([name, ...given])),
      set: (_, name, value) => done.push([name, value]) > 0,
    },
  );
  return { done, getContext: () => context };
}

function added(column = "cpu") {
  const paint = new SparkPaint();
  const canvas = makeCanvas();
  paint.handle({ op: "add", id: 7, canvas, column, height: 280, ratio: 2 });
  return { paint, canvas };
}

const named = (done, name) => done.filter(([each]) => each === name);

test("a canvas has the device's points", () => {
  const { canvas } = added();
  assert.equal(canvas.width, 272);
  assert.equal(canvas.height, 560);
});

test("a line is drawn at its place, broken where nothing is known", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "fill", row: 3, cpu: [1, 2, null, 4, 3], rss: [1] });
  paint.handle(cells(7, 28, 3, 0, 1, 0, NONE));
  assert.deepEqual(named(canvas.done, "setTransform"), [["setTransform", 2, 0, 0, 2, 0, 56]]);
  assert.deepEqual(named(canvas.done, "clearRect"), [["clearRect", 0, 0, 136, 20], ["clearRect", 0, 0, 72, 20]]);
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
    paint.handle(cells(7, 0, row, column, 0, 0, NONE));
    return [named(canvas.done, "moveTo").length, named(canvas.done, "lineTo").length];
  };
  assert.deepEqual(joined(0, 0), [1, 1]);
  assert.deepEqual(joined(0, 1), [1, 0]);
  assert.deepEqual(joined(1, 0), [0, 0]);
  assert.deepEqual(joined(1, 1), [1, 0]);
  paint.handle({ op: "fill", row: 0, cpu: [], rss: [] }); // the number is another row's now
  assert.deepEqual(joined(0, 0), [0, 0]);
});

test("a cell of a node that is silent is faint, and a place without a row has nothing", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "fill", row: 0, cpu: [1, 2], rss: [1] });
  paint.handle(cells(7, 28, 0, 0, 0, 1, NONE));
  assert.deepEqual(named(canvas.done, "globalAlpha"), [["globalAlpha", 0.5]]);
  canvas.done.length = 0;
  paint.handle(cells(7, 28, -1, 0, 0, 0, NONE));
  assert.deepEqual(canvas.done, [["setTransform", 2, 0, 0, 2, 0, 56], ["clearRect", 0, 0, 136, 20], ["globalAlpha", 1]]);
});

test("a number ends at the right, each digit as wide as the widest, in words of its column", () => {
  const { paint, canvas } = added();
  const texts = (...cell) => {
    canvas.done.length = 0;
    paint.handle(cells(7, 0, -1, ...cell));
    return named(canvas.done, "fillText").map(([, text, left]) => [text, left]);
  };
  paint.handle({ op: "type", font: "400 13px Inter" });
  assert.deepEqual(texts(0, 0, 0, 0.11), [[" %", 120], ["0", 112], [".", 104], ["1", 97.5], ["1", 89.5]]);
  assert.deepEqual(named(canvas.done, "font"), [["font", "400 13px Inter"]]);
  assert.deepEqual(named(canvas.done, "fillStyle"), [["fillStyle", "black"]]);
  assert.equal(named(canvas.done, "fillText")[0][3], 14, "half of the line's height, and of what letters rise more than they fall");
  assert.deepEqual(texts(1, 0, 0, 2 ** 21), [[" MiB", 104], ["0", 96], [".", 88], ["2", 80]]);
  assert.deepEqual(texts(0, 0, 0, NaN), [["–", 128]], "what is not known is a dash");
});

test("a canvas that lies elsewhere is cleared as a whole", () => {
  const { paint, canvas } = added();
  paint.handle({ op: "clear", id: 7 });
  assert.deepEqual(canvas.done, [["setTransform", 2, 0, 0, 2, 0, 0], ["clearRect", 0, 0, 136, 280]]);
});

test("a time goes on by itself, and is drawn when its words are others", () => {
  const { paint, canvas } = added("uptime");
  const texts = (message) => {
    canvas.done.length = 0;
    paint.handle(message);
    return named(canvas.done, "fillText")
      .map(([, text]) => text)
      .reverse()
      .join("");
  };
  assert.equal(canvas.width, 144);
  assert.equal(texts(cells(7, 28, -1, 2, 0, 0, NOW - 58.5)), "58s");
  assert.deepEqual(named(canvas.done, "fillStyle").at(-1), ["fillStyle", "grey"]);
  assert.equal(texts(cells(7, 28, -1, 2, 0, 0, NOW - 58.5)), "", "it stands there already");
  assert.equal(texts({ op: "tick", now: NOW + 1 }), "59s");
  assert.equal(texts({ op: "tick", now: NOW + 2 }), "1m");
  assert.equal(texts({ op: "tick", now: NOW + 30 }), "", "minutes are whole");
  assert.deepEqual(canvas.done, []);
  assert.equal(texts(cells(7, 28, -1, 2, 0, 1, NOW - 58.5)), "58s");
  assert.deepEqual(named(canvas.done, "globalAlpha"), [["globalAlpha", 0.5]]);
  assert.equal(texts({ op: "type", font: "400 13px Inter" }), "");
  assert.equal(texts({ op: "tick", now: NOW }), "58s", "in the other type");
  assert.equal(texts(cells(7, 28, -1, 2, 0, 0, NONE)), "", "nothing runs there");
  paint.handle(cells(7, 28, -1, 2, 0, 0, NOW - 5));
  paint.handle({ op: "clear", id: 7 });
  assert.equal(texts({ op: "tick", now: NOW + 1 }), "", "its row is elsewhere");
});
