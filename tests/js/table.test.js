import assert from "node:assert/strict";
import { test } from "node:test";
import { Table } from "../../static/js/lib/table.js";

const snapshot = () => ({ e: "one", seq: 5, cols: ["state", "pid", "rss"], ids: ["a", "b", "c"], v: [["running", "backoff", "running"], [1, null, 3], [10, 0, 30]] });

test("a frame changes the fields its mask names, and no others", () => {
  const table = new Table();
  table.reset(snapshot());
  const outcome = table.apply({ t: "procs", e: "one", a: 5, b: 6, u: [["b", 0b011, "running", 22]], d: [] });
  assert.deepEqual(outcome.changed, [[1, 0b011]]);
  assert.deepEqual(table.row("b"), { state: "running", pid: 22, rss: 0 });
  assert.equal(table.seq, 6);
});

test("rows come and go, and the rest stays where its id says", () => {
  const table = new Table();
  table.reset(snapshot());
  const outcome = table.apply({ e: "one", a: 5, b: 7, u: [["d", 0b111, "starting", 4, null]], d: ["a", "unknown"] });
  assert.deepEqual(outcome.removed, ["a"]);
  assert.equal(table.size, 3);
  assert.equal(table.row("a"), undefined);
  assert.deepEqual(table.row("d"), { state: "starting", pid: 4, rss: null });
  assert.deepEqual(table.row("c"), { state: "running", pid: 3, rss: 30 });
});

test("a frame that does not follow is refused and changes nothing", () => {
  const table = new Table();
  table.reset(snapshot());
  assert.equal(table.apply({ e: "one", a: 7, b: 8, u: [["a", 1, "failed"]] }), null);
  assert.equal(table.apply({ e: "two", a: 5, b: 6, u: [["a", 1, "failed"]] }), null);
  assert.equal(table.row("a").state, "running");
});

test("masks of more than 31 columns are read right", () => {
  const cols = Array.from({ length: 34 }, (_, at) => `c${at}`);
  const table = new Table();
  table.reset({ e: "x", seq: 0, cols, ids: ["a"], v: cols.map(() => [0]) });
  const mask = 2 ** 33 + 2 ** 31 + 1;
  table.apply({ e: "x", a: 0, b: 1, u: [["a", mask, 1, 2, 3]] });
  assert.deepEqual([table.row("a").c0, table.row("a").c31, table.row("a").c33, table.row("a").c1], [1, 2, 3, 0]);
  assert.ok(table.touches(mask, ["c31"]));
  assert.ok(!table.touches(mask, ["c1", "c32", "none"]));
});

test("the same mask means other columns after a snapshot with others", () => {
  const table = new Table();
  table.reset(snapshot());
  table.apply({ e: "one", a: 5, b: 6, u: [["a", 0b010, 7]] });
  assert.ok(table.touches(0b010, ["pid"]) && !table.touches(0b010, ["rss"]));
  table.reset({ e: "two", seq: 0, cols: ["state", "rss"], ids: ["a"], v: [["running"], [1]] });
  table.apply({ e: "two", a: 0, b: 1, u: [["a", 0b010, 2]] });
  assert.deepEqual(table.row("a"), { state: "running", rss: 2 });
  assert.ok(table.touches(0b010, ["rss"]) && !table.touches(0b010, ["pid"]));
});

test("thousands of random changes leave what a plain map would hold", () => {
  const table = new Table();
  table.reset({ e: "x", seq: 0, cols: ["v"], ids: [], v: [[]] });
  const plain = new Map();
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (let step = 0; step < 5000; step += 1) {
    const id = `k${Math.floor(random() * 200)}`;
    const gone = random() < 0.3;
    table.apply({ e: "x", a: step, b: step + 1, u: gone ? [] : [[id, 1, step]], d: gone ? [id] : [] });
    if (gone) plain.delete(id);
    else plain.set(id, step);
  }
  for (const [id, value] of plain) assert.equal(table.row(id).v, value);
  assert.equal(table.size, plain.size);
});
