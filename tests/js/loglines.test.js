import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { finder, isAtLeast, pieces, severityOf } from "../../static/js/lib/loglines.js";

const { lines } = JSON.parse(readFileSync(new URL("../data/severity_cases.json", import.meta.url)));

for (const { text, severity } of lines) {
  test(`${JSON.stringify(text)} is ${severity || "no trouble"}, as the server says`, () => assert.equal(severityOf(text), severity));
}

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
