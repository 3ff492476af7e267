// What a word is looked for in: the text columns of each row as one text in lower case, made once and kept while the row
// holds the same values. Pure.

const BETWEEN = "\u0000"; // no filter holds it, so no word is found across two values

export class Haystacks {
  /** values: columns by name, as a table holds them; columns: those that words are looked for in. */
  constructor(values, columns) {
    this.columns = columns.map((name) => values[name]).filter(Boolean);
    this.known = this.columns.map(() => []);
    this.texts = [];
  }

  /** The text of a row. Values are compared by identity: a frame that brings a list brings a new one. */
  of(row) {
    for (let at = 0; at < this.columns.length; at += 1) if (this.columns[at][row] !== this.known[at][row]) return this.#make(row);
    return this.texts[row] ?? this.#make(row);
  }

  /** Make the texts of some rows ahead. */
  prepare(first, last) {
    for (let row = first; row < last; row += 1) this.of(row);
  }

  #make(row) {
    const parts = [];
    for (let at = 0; at < this.columns.length; at += 1) {
      const value = this.columns[at][row];
      this.known[at][row] = value;
      if (Array.isArray(value)) parts.push(...value);
      else if (value !== null && value !== undefined) parts.push(value);
    }
    const text = parts.join(BETWEEN).toLowerCase();
    this.texts[row] = text;
    return text;
  }
}

const kept = new WeakMap();

/** Those of a table's columns; another table, or the same one read anew, has its own. */
export function haystacksOf(values, columns) {
  let found = kept.get(values);
  if (!found) {
    found = new Haystacks(values, columns);
    kept.set(values, found);
  }
  return found;
}
