import assert from "node:assert/strict";
import { test } from "node:test";
import { indexTree, lines, troubled } from "../../static/js/lib/outline.js";
import { keyOf, pressed, readSort, writeSort } from "../../static/js/lib/sorting.js";

const row = (key, position, state = "running", is_supervisor = false) => ({ id: `n:${key}`, node: "n", key, parent: key.includes("/") ? key.slice(0, key.lastIndexOf("/")) : "", position, state, is_supervisor });
const ROWS = [row("shop/jobs/b", 1, "failed"), row("shop", 0, "running", true), row("shop/web", 0), row("shop/jobs", 1, "running", true), row("shop/jobs/a", 0), row("bank", 0, "running", true), row("bank/x", 0)];

test("lines come depth first, siblings in their order, trees by name", () => {
  const found = lines(indexTree(ROWS), { isOpen: () => true });
  assert.deepEqual(found.map(({ row: { key }, depth }) => [key, depth]), [["bank", 0], ["bank/x", 1], ["shop", 0], ["shop/web", 1], ["shop/jobs", 1], ["shop/jobs/a", 2], ["shop/jobs/b", 2]]);
});

test("only paths to trouble are open when they alone are asked for", () => {
  const tree = indexTree(ROWS);
  const bad = troubled(tree);
  assert.deepEqual([...bad].sort(), ["n:shop", "n:shop/jobs", "n:shop/jobs/b"]);
  const found = lines(tree, { isOpen: ({ id }) => bad.has(id) });
  assert.deepEqual(found.map(({ row: { key } }) => key), ["bank", "shop", "shop/web", "shop/jobs", "shop/jobs/a", "shop/jobs/b"]);
});

test("a filter keeps what leads to its rows", () => {
  const found = lines(indexTree(ROWS), { isOpen: () => false, keep: ({ state }) => state === "failed" });
  assert.deepEqual(found.map(({ row: { key } }) => key), ["shop", "shop/jobs", "shop/jobs/b"]);
});

test("an order is read, written and turned around", () => {
  assert.deepEqual(readSort("-rss"), { column: "rss", descending: true });
  assert.deepEqual(readSort(null), { column: "key", descending: false });
  assert.equal(writeSort(pressed(readSort("key"), "rss")), "-rss");
  assert.equal(writeSort(pressed(readSort("-rss"), "rss")), "rss");
  assert.equal(keyOf("state", () => "failed")(0), 9);
  assert.equal(keyOf("exit", () => "")(0), null);
});
