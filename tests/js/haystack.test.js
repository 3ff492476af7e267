import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, predicateOfRows } from "../../static/js/lib/filter.js";
import { Haystacks, haystacksOf } from "../../static/js/lib/haystack.js";

const LIST = { fields: { key: { kind: "text", columns: ["key"] } }, text: ["key", "exit", "command"] };
const columns = () => ({
  key: ["Shop/Web", "shop/mail", "bank/web"],
  exit: [null, "signal(9)", "exit(3)"],
  command: [["python", "-m", "Serve"], ["sleep", "9"], null],
  pid: [12, 13, 14],
});
const found = (values, filter) => {
  const accepts = predicateOfRows(parse(filter, LIST), LIST, values);
  return values.key.filter((_, row) => accepts(row, 0));
};

test("a word is found in any text column and in any case, and its negation is the rest", () => {
  const values = columns();
  assert.deepEqual(found(values, "WEB"), ["Shop/Web", "bank/web"]);
  assert.deepEqual(found(values, "serve"), ["Shop/Web"]);
  assert.deepEqual(found(values, "signal"), ["shop/mail"]);
  assert.deepEqual(found(values, "-web"), ["shop/mail"]);
  assert.deepEqual(found(values, "web -bank"), ["Shop/Web"]);
  assert.deepEqual(found(values, "13"), [], "no other column is looked through");
});

test("no word is found across two values", () => {
  const values = columns();
  assert.deepEqual(found(values, "pythonm"), []);
  assert.deepEqual(found(values, '"python-m"'), []);
  assert.deepEqual(found(values, "mailsignal"), []);
});

test("what a row holds now is looked through, also after it was prepared", () => {
  const values = columns();
  haystacksOf(values, LIST.text).prepare(0, 3);
  assert.deepEqual(found(values, "exit"), ["bank/web"]);
  values.exit[0] = "exit(1)";
  values.command[1] = ["exit-handler"];
  values.key[2] = "bank/teller";
  assert.deepEqual(found(values, "exit"), ["Shop/Web", "shop/mail", "bank/teller"]);
  assert.deepEqual(found(values, "web"), ["Shop/Web"]);
});

test("rows come and change places, as a table moves them", () => {
  const values = columns();
  assert.deepEqual(found(values, "bank"), ["bank/web"]);
  for (const column of Object.values(values)) column[0] = column.pop();
  assert.deepEqual(found(values, "bank"), ["bank/web"]);
  assert.deepEqual(found(values, "shop"), ["shop/mail"]);
  values.key.push("shop/new");
  for (const name of ["exit", "command", "pid"]) values[name].push(null);
  assert.deepEqual(found(values, "shop"), ["shop/mail", "shop/new"]);
});

test("a text is made once while its values stay", () => {
  const texts = new Haystacks(columns(), ["key", "command"]);
  assert.equal(texts.of(0), "shop/web\u0000python\u0000-m\u0000serve");
  assert.equal(texts.of(2), "bank/web");
  texts.texts[0] = "kept";
  assert.equal(texts.of(0), "kept");
});
