import assert from "node:assert/strict";
import { test } from "node:test";
import { Chords } from "../../static/js/lib/chords.js";
import { CAP_MS, FIRST_MS, isStale, pace, retryDelay } from "../../static/js/lib/retry.js";

test("the wait before a new try is spread over the whole of a growing range", () => {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    assert.equal(retryDelay(attempt, 0), FIRST_MS);
    assert.ok(retryDelay(attempt, 0.999999) <= CAP_MS);
  }
  assert.ok(retryDelay(3, 0.99) > retryDelay(1, 0.99));
});

test("a hidden page slows down and then stops asking; a paused one is told nothing", () => {
  assert.equal(pace({ hidden: false, hiddenForMs: 0, paused: false, chosenHz: 4 }), 4);
  assert.equal(pace({ hidden: true, hiddenForMs: 1000, paused: false, chosenHz: 4 }), 0.2);
  assert.equal(pace({ hidden: true, hiddenForMs: 300_000, paused: false, chosenHz: 4 }), 0);
  assert.equal(pace({ hidden: false, hiddenForMs: 0, paused: true, chosenHz: 4 }), 0);
});

test("three intervals without news are stale, and less than 3 s never is", () => {
  assert.equal(isStale(2900, 250), false);
  assert.equal(isStale(3100, 250), true);
  assert.equal(isStale(14_000, 5000), false);
});

test("keys follow each other within their time", () => {
  const chords = new Chords({ "g o": "overview", j: "next" });
  assert.equal(chords.press("j", 0), "next");
  assert.equal(chords.press("g", 100), undefined);
  assert.equal(chords.press("o", 200), "overview");
  assert.equal(chords.press("g", 1000), undefined);
  assert.equal(chords.press("o", 5000), undefined);
  assert.equal(chords.press("g", 6000), undefined);
  assert.equal(chords.press("j", 6100), "next");
});
