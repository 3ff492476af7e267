import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as format from "../../static/js/lib/format.js";
import { Ring } from "../../static/js/lib/ring.js";
import { extent, linear, nearest, runs, ticks, timeTicks } from "../../static/js/lib/scale.js";

const CASES = JSON.parse(readFileSync(new URL("../data/format_cases.json", import.meta.url)));

for (const [name, cases] of Object.entries(CASES)) {
  test(`${name} reads as the pages of the server write it`, () => {
    for (const [value, text] of cases) assert.equal(format[name](value), text, `${name}(${value})`);
  });
}

test("a part of a core is as wide as another in its column", () => {
  assert.deepEqual([0, 0.032, 0.0996, 0.999, 1.4].map(format.percentInColumn), ["\u20070.0 %", "\u20073.2 %", "10.0 %", "99.9 %", "140.0 %"]);
  assert.deepEqual([null, undefined].map(format.percentInColumn), ["–", "–"]);
});

test("a clock is written in UTC", () => {
  assert.equal(format.clock(Date.UTC(2026, 10, 28, 4, 5, 6, 7)), "04:05:06");
  assert.equal(format.clock(Date.UTC(2026, 10, 28, 4, 5, 6, 7), true, true), "04:05:06.007");
});

test("a ring keeps the newest points and knows its range", () => {
  const ring = new Ring(3);
  assert.equal(ring.range(), null);
  for (const value of [9, 1, null, 5]) ring.push(value);
  assert.equal(ring.length, 3);
  assert.equal(ring.at(0), 1);
  assert.ok(Number.isNaN(ring.at(1)));
  assert.equal(ring.last, 5);
  assert.deepEqual(ring.range(), [1, 5]);
});

test("ticks are round and inside", () => {
  assert.deepEqual(ticks(0, 100, 4), [0, 25, 50, 75, 100]);
  assert.deepEqual(ticks(0, 0.37, 4), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(timeTicks(100, 400, 5), [120, 180, 240, 300, 360]);
});

test("a scale starts at zero, survives one flat value, and leaves room above", () => {
  assert.deepEqual(extent([[null, null]]), [0, 1]);
  assert.deepEqual(extent([[5, 5]]).map(Math.round), [0, 5]);
  assert.deepEqual(extent([[0, 0]]).map(Math.round), [0, 1]);
  const [low, high] = extent([[100, 100.5]], { fromZero: false });
  assert.ok(low < 96 && high > 104);
  assert.equal(linear(0, 10, 100, 0)(5), 50);
});

test("the nearest moment is found", () => {
  assert.equal(nearest([], 4), -1);
  assert.equal(nearest([1, 2, 10], 7), 2);
  assert.equal(nearest([1, 2, 10], 5), 1);
  assert.equal(nearest([1, 2, 10], -3), 0);
});

test("a line is broken where a point is missing or time has a hole", () => {
  assert.deepEqual(runs([1, 2, 3, 4, 20, 21], [1, 1, null, 1, 1, 1], 5), [[0, 1], [3, 3], [4, 5]]);
  assert.deepEqual(runs([], [], 5), []);
});

test("counts have whole ticks", () => {
  assert.deepEqual(ticks(0, 9.5, 4, true), [0, 5]);
  assert.deepEqual(ticks(0, 2, 4, true), [0, 1, 2]);
});
