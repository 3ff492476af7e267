// The filter grammar of docs/live.md, the twin of controlplane/filters; tests/data/filter_cases.json holds both.

import { haystacksOf } from "./haystack.js";

const MAX_LENGTH = 1000;
const MAX_TERMS = 50;
const FIELD = /[a-z][a-z_]*(?=:)/y;
const OPERATOR = />=|<=|>|<|=|~/y;
const BARE = /[^\s",]+/y;
const WORD = /[^\s"]+/y;
const NUMBER = /^(-?\d+(?:\.\d+)?)([A-Za-z%]*)$/;
const NEEDS_QUOTES = /[\s",\\]/;
const UNITS = {
  number: { "": 1 },
  bytes: { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 },
  ratio: { "": 1, "%": 0.01 },
  age: { "": 1, s: 1, m: 60, h: 3600, d: 86400 },
};
const WANTED = { number: "is a number", bytes: "is a size like 100M or 1.5G", ratio: "is a part like 0.5 or 50%", age: "is a duration like 90s, 5m, 2h or 3d" };

/** at: position of the first character that is wrong. */
export class FilterError extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

const operatorsOf = (kind) => (kind in UNITS ? ["=", ">", ">=", "<", "<="] : kind === "text" ? ["=", "~"] : ["="]);

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

const isSpace = (letter) => letter !== undefined && /\s/.test(letter);

/** Terms of `text`; `list` is {fields: {name: {kind, columns, words}}, text: [columns]}. Throws FilterError. */
export function parse(text, list) {
  if (text.length > MAX_LENGTH) throw new FilterError(MAX_LENGTH, `a filter has at most ${MAX_LENGTH} characters`);
  const terms = [];
  let at = skip(text, 0);
  while (at < text.length) {
    if (terms.length === MAX_TERMS) throw new FilterError(at, `a filter has at most ${MAX_TERMS} terms`);
    const [term, after] = readTerm(text, at, list);
    terms.push(term);
    if (after < text.length && !isSpace(text[after])) throw new FilterError(after, "a space is missing here");
    at = skip(text, after);
  }
  return terms;
}

function skip(text, at) {
  while (isSpace(text[at])) at += 1;
  return at;
}

function readTerm(text, start, list) {
  const negated = text[start] === "-";
  let at = negated ? start + 1 : start;
  if (at === text.length || isSpace(text[at])) throw new FilterError(start, "- needs a term after it");
  const name = match(FIELD, text, at);
  if (name === null) {
    const [value, after] = text[at] === '"' ? readQuoted(text, at) : readBare(WORD, text, at);
    return [{ negated, field: "", op: "~", values: [value], written: [value] }, after];
  }
  const field = Object.hasOwn(list.fields, name) ? list.fields[name] : null;
  if (!field) throw new FilterError(at, `there is no field ${name} here; there are ${Object.keys(list.fields).sort().join(", ")}`);
  at += name.length + 1;
  const operator = match(OPERATOR, text, at);
  const op = operator ?? "=";
  const known = operatorsOf(field.kind);
  if (!known.includes(op)) throw new FilterError(at, `${name} takes ${known.join(" ")} and not ${op}`);
  at += operator?.length ?? 0;
  const values = [];
  const written = [];
  for (;;) {
    if (at === text.length || isSpace(text[at]) || text[at] === ",") throw new FilterError(at, `${name} needs a value here`);
    const begin = at;
    const [word, after] = text[at] === '"' ? readQuoted(text, at) : readBare(BARE, text, at);
    values.push(readValue(word, begin, name, field));
    written.push(word);
    at = after;
    if (text[at] !== ",") break;
    if (op !== "=" && op !== "~") throw new FilterError(at, `${op} takes one value`);
    at += 1;
  }
  return [{ negated, field: name, op, values, written }, at];
}

function readBare(pattern, text, at) {
  const found = match(pattern, text, at);
  if (found === null) throw new FilterError(at, "this cannot begin a value");
  return [found, at + found.length];
}

function readQuoted(text, start) {
  let value = "";
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '"') return [value, at + 1];
    if (text[at] === "\\" && at + 1 < text.length) at += 1;
    value += text[at];
  }
  throw new FilterError(start, "the quote is not closed");
}

function readValue(word, at, name, field) {
  if (field.kind === "word") {
    if (!field.words.includes(word)) throw new FilterError(at, `${name} is one of ${field.words.join(", ")}`);
    return word;
  }
  if (field.kind === "text") return word;
  if (field.kind === "flag") {
    if (word !== "true" && word !== "false") throw new FilterError(at, `${name} is true or false`);
    return word === "true";
  }
  const found = NUMBER.exec(word);
  const unit = found ? UNITS[field.kind][found[2].toLowerCase()] : undefined;
  if (unit === undefined) throw new FilterError(at, `${name} ${WANTED[field.kind]}`);
  return Number(found[1]) * unit;
}

/** The one way to write terms, so that equal filters are equal text. */
export const formatTerms = (terms) => terms.map(formatTerm).join(" ");

function formatTerm({ negated, field, op, written }) {
  const sign = negated ? "-" : "";
  if (!field) return sign + quoted(written[0], true);
  return `${sign}${field}:${op === "=" ? "" : op}${written.map((word) => quoted(word, false)).join(",")}`;
}

function quoted(word, free) {
  let plain = word !== "" && !NEEDS_QUOTES.test(word);
  if (plain && free) plain = !word.startsWith("-") && match(FIELD, word, 0) === null;
  else if (plain) plain = match(OPERATOR, word, 0) === null;
  return plain ? word : `"${word.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

const COMPARE = {
  "=": (one, other) => one === other,
  ">": (one, other) => one > other,
  ">=": (one, other) => one >= other,
  "<": (one, other) => one < other,
  "<=": (one, other) => one <= other,
};

/** A function of (value of a column by name, now in Unix seconds) that is true for the rows all terms accept. */
export function predicate(terms, list) {
  const tests = terms.map((term) => {
    const test = testOf(term, list);
    const columns = columnsOf(term, list);
    return (valueOf, now) => test(columns.length, (at) => valueOf(columns[at]), now);
  });
  return (valueOf, now) => tests.every((test) => test(valueOf, now));
}

/** The same for a table that is held in columns: a function of (row number, now). A column that there is not holds nothing. */
export function predicateOfRows(terms, list, values) {
  const tests = terms.map((term) => {
    if (term.field === "") return wordTest(term, haystacksOf(values, list.text));
    const test = testOf(term, list);
    const columns = columnsOf(term, list).map((name) => values[name]).filter(Boolean);
    let row = 0;
    const valueAt = (at) => columns[at][row];
    return (wanted, now) => {
      row = wanted;
      return test(columns.length, valueAt, now);
    };
  });
  if (tests.length === 1) return tests[0];
  return (row, now) => {
    for (const test of tests) if (!test(row, now)) return false;
    return true;
  };
}

function wordTest({ negated, values: [word] }, haystacks) {
  const part = word.toLowerCase();
  return (row) => haystacks.of(row).includes(part) !== negated;
}

/** Columns that the answer depends on. */
export const columnsOfTerms = (terms, list) => new Set(terms.flatMap((term) => columnsOf(term, list)));

/** Whether a row may begin or cease to match without changing. */
export const dependsOnTime = (terms, list) => terms.some((term) => term.field !== "" && list.fields[term.field].kind === "age");

const columnsOf = (term, list) => (term.field ? list.fields[term.field].columns : list.text);

/** A function of (number of columns, their values by place, now). */
function testOf(term, list) {
  const accepts = acceptsOf(term, term.field ? list.fields[term.field].kind : "text");
  const { negated } = term;
  return (length, valueAt, now) => {
    for (let at = 0; at < length; at += 1) {
      const value = valueAt(at);
      if (value === null || value === undefined) continue;
      if (Array.isArray(value) ? value.some((item) => accepts(item, now)) : accepts(value, now)) return !negated;
    }
    return negated;
  };
}

function acceptsOf({ op, values }, kind) {
  if (op === "~") {
    const parts = values.map((value) => String(value).toLowerCase());
    if (parts.length === 1) return (value) => String(value).toLowerCase().includes(parts[0]);
    return (value) => parts.some((part) => String(value).toLowerCase().includes(part));
  }
  if (!(kind in UNITS)) return values.length === 1 ? (value) => value === values[0] : (value) => values.includes(value);
  const compare = COMPARE[op];
  if (kind === "age") return (value, now) => values.some((number) => compare(now - value, number));
  if (values.length === 1) return (value) => compare(value, values[0]);
  return (value) => values.some((number) => compare(value, number));
}
