// One topic's rows as columns, kept current by frames. Pure: no clock, no socket, no page.
//
// A snapshot is {e, seq, cols, ids, v}: v holds one array for each column. A frame is {e, a, b, u, d}: it leads from
// sequence a to b; u holds [id, mask, value...] with one value for each bit that is set in mask, lowest bit first; d holds
// the ids that are gone. A frame that does not follow what we have is refused, and the caller asks for a snapshot.

/** Whether column `bit` is in a mask; masks of more than 31 columns do not fit what `&` can do. */
export const hasBit = (mask, bit) => (bit < 31 && mask < 2 ** 31 ? (mask & (1 << bit)) !== 0 : Math.floor(mask / 2 ** bit) % 2 === 1);

const MOST_CUTS = 1024;

export class Table {
  /** Mask: the columns that it names. Rows change in a few dozen ways, so that none is spelled out twice. */
  #cuts = new Map();

  constructor() {
    this.epoch = null;
    this.seq = -1;
    this.columns = [];
    this.ids = [];
    this.values = {};
    this.index = new Map();
  }

  get size() {
    return this.ids.length;
  }

  /** Replace everything. */
  reset(snapshot) {
    this.epoch = snapshot.e;
    this.seq = snapshot.seq;
    this.columns = snapshot.cols;
    this.ids = [...snapshot.ids];
    this.values = Object.fromEntries(snapshot.cols.map((name, at) => [name, [...snapshot.v[at]]]));
    this.index = new Map(this.ids.map((id, row) => [id, row]));
    this.#cuts.clear();
  }

  /** null when the frame does not follow; else {changed: [[row, mask]], added: [row], removed: [id], moved: bool}. */
  apply(frame) {
    if (frame.e !== this.epoch || frame.a !== this.seq) return null;
    const changed = [];
    const added = [];
    const removed = [];
    for (const update of frame.u ?? []) {
      const [id, mask] = update;
      let row = this.index.get(id);
      if (row === undefined) {
        row = this.#append(id);
        added.push(row);
      } else {
        changed.push([row, mask]);
      }
      this.#write(row, mask, update);
    }
    for (const id of frame.d ?? []) if (this.#remove(id)) removed.push(id);
    this.seq = frame.b;
    return { changed, added, removed };
  }

  value(row, name) {
    return this.values[name]?.[row];
  }

  /** Whether a change with this mask touches any of these columns. */
  touches(mask, names) {
    const cut = this.#cutOf(mask);
    for (const name of names) if (cut.names.has(name)) return true;
    return false;
  }

  /** One row as an object: for a drawer or a test, not for the list. */
  row(id) {
    const at = this.index.get(id);
    if (at === undefined) return undefined;
    return Object.fromEntries(this.columns.map((name) => [name, this.values[name][at]]));
  }

  #append(id) {
    const row = this.ids.length;
    this.ids.push(id);
    this.index.set(id, row);
    for (const name of this.columns) this.values[name].push(null);
    return row;
  }

  #write(row, mask, update) {
    const cut = this.#cutOf(mask);
    for (let at = 0; at < cut.values.length; at += 1) cut.values[at][row] = update[at + 2];
  }

  /** {names, values: their columns} of a mask. */
  #cutOf(mask) {
    let cut = this.#cuts.get(mask);
    if (!cut) {
      const names = this.columns.filter((_, bit) => hasBit(mask, bit));
      cut = { names: new Set(names), values: names.map((name) => this.values[name]) };
      if (this.#cuts.size >= MOST_CUTS) this.#cuts.clear();
      this.#cuts.set(mask, cut);
    }
    return cut;
  }

  /** The last row takes the place of the one that goes, so that removal costs the same at any size. */
  #remove(id) {
    const row = this.index.get(id);
    if (row === undefined) return false;
    const last = this.ids.length - 1;
    if (row !== last) {
      this.ids[row] = this.ids[last];
      this.index.set(this.ids[row], row);
      for (const name of this.columns) this.values[name][row] = this.values[name][last];
    }
    this.ids.pop();
    for (const name of this.columns) this.values[name].pop();
    this.index.delete(id);
    return true;
  }
}
