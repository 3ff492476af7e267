import assert from "node:assert/strict";
import { test } from "node:test";
import { projected } from "../../static/js/lib/projection.js";

test("a line goes on between its two slopes from where it is", () => {
  const [times, values, ahead, least, most] = projected({ points: [[0, 10], [100, 20]], rate: 0.1, low: 0.05, high: 0.2, ended: null });
  assert.equal(times.length, values.length);
  assert.deepEqual(values.slice(0, 2), [10, 20]);
  assert.ok(values.slice(2).every((value) => value === null));
  assert.deepEqual([ahead[0], ahead[1]], [null, 20]);
  const reach = times.at(-1) - 100;
  assert.ok(reach > 0);
  assert.ok(Math.abs(least.at(-1) - (20 + 0.05 * reach)) < 1e-9);
  assert.ok(Math.abs(ahead.at(-1) - (20 + 0.1 * reach)) < 1e-9);
  assert.ok(Math.abs(most.at(-1) - (20 + 0.2 * reach)) < 1e-9);
});

test("what is over has nothing ahead", () => {
  assert.equal(projected({ points: [[0, 1], [5, 2]], rate: 1, low: 1, high: 1, ended: 9 })[0].length, 2);
  assert.equal(projected({ points: [[0, 1]], rate: 1, low: 1, high: 1, ended: null })[0].length, 1);
});
