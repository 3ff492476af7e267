// The filter field of a live list: understood as it is typed, kept in the address, wrong input named by its place.
import { afterPaint } from "./dom.js";
import { FilterError, columnsOfTerms, dependsOnTime, parse, predicate, predicateOfRows } from "./lib/filter.js";
import { haystacksOf } from "./lib/haystack.js";

const AT_ONCE = 100; // rows, between two looks at the time that is left
const IDLE_LEFT_MS = 3;

export class FilterBox {
  /** fields: the list's table from the page; onChange(): the filter is another now. */
  constructor(form, fields, onChange) {
    this.input = form.querySelector("[data-filter-input]");
    this.error = form.querySelector("[data-filter-error]");
    this.words = form.querySelector("[data-matches]");
    this.keeps = form.hasAttribute("data-keeps");
    this.fields = fields;
    this.onChange = onChange;
    this.terms = [];
    this.accepts = () => true;
    this.read();
    this.input.addEventListener("input", () => this.read() && this.changed());
    form.addEventListener("submit", (event) => event.preventDefault());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.input.blur();
    });
  }

  get text() {
    return this.input.value.trim();
  }

  set text(text) {
    this.input.value = text;
    if (this.read()) this.changed();
  }

  /** Whether the text is a filter; the last good one stays in force when it is not. */
  read() {
    try {
      this.terms = parse(this.input.value, this.fields);
      this.accepts = predicate(this.terms, this.fields);
      this.error.textContent = "";
      this.input.removeAttribute("aria-invalid");
      return true;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      this.error.textContent = `${error.message}, at character ${error.at + 1}`;
      this.input.setAttribute("aria-invalid", "true");
      return false;
    }
  }

  /** For a table of the live feed: a function of (row number, now). */
  acceptsRowOf(table) {
    return predicateOfRows(this.terms, this.fields, table.values);
  }

  /** Read ahead what words are looked for in, in the browser's idle time. */
  prepare(table, from = 0) {
    const { values } = table;
    const texts = haystacksOf(values, this.fields.text);
    whenIdle((left) => {
      let at = from;
      while (at < table.size && left() > IDLE_LEFT_MS) {
        texts.prepare(at, Math.min(at + AT_ONCE, table.size));
        at += AT_ONCE;
      }
      if (at < table.size && table.values === values) this.prepare(table, at);
    });
  }

  /** Columns that decide which rows are accepted; null when time decides too. */
  get columns() {
    return dependsOnTime(this.terms, this.fields) ? null : columnsOfTerms(this.terms, this.fields);
  }

  /** What it finds is shown first. */
  changed() {
    this.onChange();
    afterPaint(() => this.keep());
  }

  /** In the address. */
  keep() {
    const url = new URL(location.href);
    if (this.text || this.keeps) url.searchParams.set("q", this.text); // without any, the list would open with its default view
    else url.searchParams.delete("q");
    url.searchParams.delete("page");
    history.replaceState(null, "", url);
    document.dispatchEvent(new CustomEvent("overstory:asked"));
  }

  /** Add `field:value`, or take it out when it is there. */
  toggle(field, value) {
    const own = this.terms.filter((term) => term.field === field && !term.negated);
    const isOn = own.some((term) => term.values.includes(value));
    const rest = this.text.split(/\s+/).filter((word) => word !== "" && !word.startsWith(`${field}:`));
    this.text = [...rest, ...(isOn ? [] : [`${field}:${value}`])].join(" ");
  }

  has(field, value) {
    return this.terms.some((term) => term.field === field && !term.negated && term.values.includes(value));
  }

  say(words) {
    if (this.words.textContent !== words) this.words.textContent = words;
  }
}

/** Safari has no idle callbacks: there a little is done now and then. */
function whenIdle(work) {
  if (globalThis.requestIdleCallback) requestIdleCallback((deadline) => work(() => deadline.timeRemaining()));
  else setTimeout(() => work(budget(8)), 50);
}

function budget(ms) {
  const end = performance.now() + ms;
  return () => end - performance.now();
}
