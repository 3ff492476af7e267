import assert from "node:assert/strict";
import { test } from "node:test";
import { rank, score } from "../../static/js/lib/rank.js";
import { glyphOf, toneOf } from "../../static/js/lib/states.js";
import { arrange, byName, countMoved, firstOf, scrollToShow, tilesOver, visibleRange } from "../../static/js/lib/virtual.js";

test("only what is visible, and a few rows around it, is kept", () => {
  assert.deepEqual(visibleRange({ scrollTop: 0, height: 280, rowHeight: 28, total: 10_000, spare: 10 }), { first: 0, count: 20 });
  assert.deepEqual(visibleRange({ scrollTop: 2800, height: 280, rowHeight: 28, total: 10_000, spare: 10 }), { first: 90, count: 30 });
  assert.deepEqual(visibleRange({ scrollTop: 1e9, height: 280, rowHeight: 28, total: 50, spare: 10 }), { first: 39, count: 11 });
  assert.deepEqual(visibleRange({ scrollTop: 0, height: 280, rowHeight: 28, total: 0 }), { first: 0, count: 0 });
});

test("tiles lie over what is visible and a little more, never beyond the list", () => {
  assert.deepEqual(tilesOver({ from: 0, to: 36, total: 10_000, size: 24 }), [0, 1]);
  assert.deepEqual(tilesOver({ from: 31, to: 67, total: 10_000, size: 24 }), [0, 1, 2, 3]);
  assert.deepEqual(tilesOver({ from: 32, to: 64, total: 10_000, size: 24 }), [1, 2]);
  assert.deepEqual(tilesOver({ from: 0, to: 36, total: 3, size: 24 }), [0]);
  assert.deepEqual(tilesOver({ from: 0, to: 36, total: 0, size: 24 }), []);
});

test("scrolling moves no further than it has to", () => {
  const view = { scrollTop: 280, height: 280, rowHeight: 28 };
  assert.equal(scrollToShow({ ...view, row: 12 }), 280);
  assert.equal(scrollToShow({ ...view, row: 2 }), 56);
  assert.equal(scrollToShow({ ...view, row: 20 }), 308);
});

test("rows are filtered and sorted, ties by name, unknown last both ways", () => {
  const name = ["c", "a", "b", "d"];
  const rss = [5, 5, null, 9];
  const base = { named: byName(name), keep: () => true, key: (row) => rss[row] };
  assert.deepEqual(arrange(base), [1, 0, 3, 2]);
  assert.deepEqual(arrange({ ...base, descending: true }), [3, 1, 0, 2]);
  assert.deepEqual(arrange({ ...base, keep: (row) => row !== 3 }), [1, 0, 2]);
  assert.deepEqual(arrange({ ...base, key: null }), [1, 2, 0, 3]);
  assert.deepEqual(arrange({ ...base, key: null, descending: true }), [3, 0, 2, 1]);
});

test("the first rows are those that the whole order begins with", () => {
  const named = byName(["c", "a", "b", "d"]);
  const keep = (row) => row !== 1;
  for (const descending of [false, true]) {
    const whole = arrange({ named, keep, descending });
    for (const most of [1, 2, 5]) assert.deepEqual(firstOf({ named, keep, most, descending }), whole.slice(0, most));
  }
});

test("moved rows are counted", () => {
  assert.equal(countMoved([1, 2, 3], [1, 2, 3]), 0);
  assert.equal(countMoved([1, 2, 3], [2, 1, 3]), 2);
  assert.equal(countMoved([1, 2, 3], [1]), 2);
});

test("the palette prefers whole words, beginnings and initials", () => {
  const titles = ["Go to Processes", "Restart shop/web", "Processes that failed", "Stop shop/worker"];
  const best = (query) => rank(query, titles.map((title) => ({ title }))).map(({ item }) => item.title);
  assert.equal(best("proc")[0], "Processes that failed");
  assert.equal(best("sswo")[0], "Stop shop/worker");
  assert.equal(best("web")[0], "Restart shop/web");
  assert.deepEqual(best("zzz"), []);
  assert.equal(best("").length, 4);
});

test("a match says which letters it used", () => {
  assert.deepEqual(score("web", "shop/web").at, [5, 6, 7]);
  assert.equal(score("xw", "shop/web"), null);
});

test("every state of the glossary has a shape, and no two tones share one", () => {
  const states = ["waiting", "starting", "running", "backoff", "stopping", "stopped", "completed", "failed", "held", "lost", "up", "suspect", "down", "drained"];
  for (const state of states) assert.match(glyphOf(state), /^state-(ok|busy|warn|crit|idle|held|done|unknown)$/);
  const shapes = new Map(states.map((state) => [toneOf(state), glyphOf(state)]));
  assert.equal(new Set(shapes.values()).size, shapes.size);
  assert.equal(glyphOf("never heard of"), "state-unknown");
});
