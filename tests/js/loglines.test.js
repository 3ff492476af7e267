import assert from "node:assert/strict";
import { test } from "node:test";
import { finder, isAtLeast, pieces, severityOf } from "../../static/js/lib/loglines.js";

test("severity is guessed from the words programs use", () => {
  assert.equal(severityOf("2026-11-28 ERROR cannot connect"), "error");
  assert.equal(severityOf("Traceback (most recent call last):"), "error");
  assert.equal(severityOf("WARNING: late"), "warning");
  assert.equal(severityOf("FATAL: no"), "critical");
  assert.equal(severityOf("terrors and warnings in prose"), "");
});

test("a threshold lets through what is as bad or worse", () => {
  assert.ok(isAtLeast("critical", "error"));
  assert.ok(!isAtLeast("warning", "error"));
  assert.ok(isAtLeast("", ""));
});

test("a search is plain text in any case, or an expression between slashes", () => {
  assert.equal(finder("  "), null);
  assert.deepEqual(pieces("Cannot OPEN a.b", finder("open")), [["Cannot ", false], ["OPEN", true], [" a.b", false]]);
  assert.deepEqual(pieces("axb a.b", finder("a.b")), [["axb ", false], ["a.b", true]]);
  assert.deepEqual(pieces("id=42;", finder("/\\d+/")), [["id=", false], ["42", true], [";", false]]);
  assert.throws(() => finder("/(/"), SyntaxError);
});
