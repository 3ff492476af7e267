import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FilterError, columnsOfTerms, dependsOnTime, formatTerms, parse, predicate, predicateOfRows } from "../../static/js/lib/filter.js";

const CASES = JSON.parse(readFileSync(new URL("../data/filter_cases.json", import.meta.url)));

for (const { list, filter, ids } of CASES.matches) {
  test(`${list}: ${filter} accepts what the server accepts`, () => {
    const accepts = predicate(parse(filter, CASES.lists[list]), CASES.lists[list]);
    const found = CASES.rows[list].filter((row) => accepts((column) => row[column], CASES.now)).map((row) => row.id);
    assert.deepEqual(found, ids);
  });

  test(`${list}: ${filter} accepts the same of a table in columns, and names what that depends on`, () => {
    const rows = CASES.rows[list];
    const names = new Set(rows.flatMap((row) => Object.keys(row)));
    const columns = Object.fromEntries([...names].map((name) => [name, rows.map((row) => row[name] ?? null)]));
    const terms = parse(filter, CASES.lists[list]);
    const acceptsRow = predicateOfRows(terms, CASES.lists[list], columns);
    const found = (now) => rows.filter((_, row) => acceptsRow(row, now)).map((row) => row.id);
    assert.deepEqual(found(CASES.now), ids);
    if (!dependsOnTime(terms, CASES.lists[list])) assert.deepEqual(found(CASES.now + 1e9), ids);
    const asked = columnsOfTerms(terms, CASES.lists[list]);
    for (const name of names) if (!asked.has(name)) columns[name].fill("another");
    assert.deepEqual(found(CASES.now), ids, "no other column matters");
  });
}

for (const { list, filter, error } of CASES.errors) {
  test(`${list}: ${filter} is refused at the same place`, () => {
    assert.throws(
      () => parse(filter, CASES.lists[list]),
      (caught) => {
        assert.ok(caught instanceof FilterError);
        assert.deepEqual({ at: caught.at, message: caught.message }, error);
        return true;
      },
    );
  });
}

for (const { list, filter, normal } of CASES.normal) {
  test(`${filter} is written as ${normal}`, () => assert.equal(formatTerms(parse(filter, CASES.lists[list])), normal));
}
