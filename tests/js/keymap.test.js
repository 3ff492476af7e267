import assert from "node:assert/strict";
import { test } from "node:test";
import { ACTIONS, choose, keyName, keymap, readChosen, refusal } from "../../static/js/lib/keymap.js";

const DEFAULTS = { ...ACTIONS, "go o": "g o", "go p": "g p" };
const nameOf = (action) => `<${action}>`;
const why = (action, keys, map = DEFAULTS) => refusal(map, action, keys, nameOf);

test("whoever chose nothing has everybody's keys", () => {
  assert.deepEqual(keymap(DEFAULTS, {}), DEFAULTS);
  assert.deepEqual(keymap(DEFAULTS, undefined), DEFAULTS);
});

test("what was chosen stands instead, and one may be without a key", () => {
  const map = keymap(DEFAULTS, { next: "n", "go o": "h", pause: "" });
  assert.deepEqual([map.next, map["go o"], map.pause, map.previous], ["n", "h", "", "k"]);
});

test("two may have changed places, whichever was chosen first", () => {
  for (const chosen of [{ next: "k", previous: "j" }, { previous: "j", next: "k" }]) {
    const map = keymap(DEFAULTS, chosen);
    assert.deepEqual([map.next, map.previous], ["k", "j"]);
  }
});

test("keys that mean something already are refused, with what they mean", () => {
  assert.equal(why("next", "k"), "that is <previous>");
  assert.equal(why("next", "g"), "<go o> begins with it (g o)");
  assert.equal(why("next", "j j"), "", "its own key does not stand in the way");
  assert.equal(why("pause", "j j"), "j alone is <next>");
  assert.equal(why("next", "a b c"), "2 keys at most");
  assert.equal(why("next", "Escape"), "Escape is spoken for");
  assert.equal(why("next", "x"), "x is spoken for");
  assert.equal(why("help", ""), "this sheet needs a key");
  assert.equal(why("next", 7), "these are no keys");
  assert.equal(why("next", "n"), "");
  assert.equal(why("next", "k", { ...DEFAULTS, previous: "" }), "");
});

test("a choice that cannot be any more gives way to everybody's key, and does no harm", () => {
  const map = keymap(DEFAULTS, { next: "g", gone: "q", previous: 7 });
  assert.deepEqual(map, DEFAULTS);
});

test("only what differs is kept", () => {
  const chosen = choose(DEFAULTS, {}, "next", "n");
  assert.deepEqual(chosen, { next: "n" });
  assert.deepEqual(choose(DEFAULTS, chosen, "next", "j"), {});
});

test("what cannot be read is no choice", () => {
  for (const text of [null, "", "{", "[]", "7", "null"]) assert.deepEqual(readChosen(text), {});
  assert.deepEqual(readChosen('{"next":"n"}'), { next: "n" });
});

test("a key that only changes others is none", () => {
  assert.equal(keyName("Shift"), null);
  assert.equal(keyName(" "), "space");
  assert.equal(keyName("?"), "?");
});
