import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FilterError, formatTerms, parse, predicate } from "../../static/js/lib/filter.js";

const CASES = JSON.parse(readFileSync(new URL("../data/filter_cases.json", import.meta.url)));

for (const { list, filter, ids } of CASES.matches) {
  test(`${list}: ${filter} accepts what the server accepts`, () => {
    const accepts = predicate(parse(filter, CASES.lists[list]), CASES.lists[list]);
    const found = CASES.rows[list].filter((row) => accepts((column) => row[column], CASES.now)).map((row) => row.id);
    assert.deepEqual(found, ids);
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
