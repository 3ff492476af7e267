// Which rows a scrolled list has to show. Pure.

/** {first, count} of the rows to keep in the page: what is visible and `spare` on either side. */
export function visibleRange({ scrollTop, height, rowHeight, total, spare = 10 }) {
  if (total === 0 || rowHeight <= 0) return { first: 0, count: 0 };
  const first = Math.max(0, Math.min(total - 1, Math.floor(scrollTop / rowHeight)) - spare);
  const last = Math.min(total, Math.ceil((scrollTop + height) / rowHeight) + spare);
  return { first, count: Math.max(0, last - first) };
}

/** Numbers of the tiles, of `size` places each, that lie over the places from `from` up to `to`, and a few rows beyond: what
 * comes into view next is drawn before it does. */
export function tilesOver({ from, to, total, size, spare = 8 }) {
  const first = Math.floor(Math.max(0, from - spare) / size);
  const last = Math.floor((Math.min(total, to + spare) - 1) / size);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);
}

/** Where to scroll so that `row` is whole in view; the old place when it is already. */
export function scrollToShow({ row, scrollTop, height, rowHeight }) {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + height) return top + rowHeight - height;
  return scrollTop;
}

/** How many of the shown places hold another row than before. */
export function countMoved(before, after) {
  const shared = Math.min(before.length, after.length);
  let moved = Math.abs(before.length - after.length);
  for (let at = 0; at < shared; at += 1) if (before[at] !== after[at]) moved += 1;
  return moved;
}

/** Row numbers by name. Made once and again when rows come or go: sorting ten thousand names costs more than all the rest. */
export function byName(names) {
  const rows = Array.from(names, (_, row) => row);
  return rows.sort((one, other) => compareText(names[one], names[other]));
}

/** The first of `named` (rows by name) that `keep` accepts, `most` at most, from the other end where it is descending. */
export function firstOf({ named, keep, most, descending = false }) {
  const found = [];
  for (let at = 0; at < named.length && found.length < most; at += 1) {
    const row = named[descending ? named.length - 1 - at : at];
    if (keep(row)) found.push(row);
  }
  return found;
}

/** Those of `named` (rows by name) that `keep` accepts, ordered by `key` (null: by name), equal ones by name. */
export function arrange({ named, keep, key = null, descending = false }) {
  const rows = named.filter(keep);
  if (key === null) return descending ? rows.reverse() : rows;
  const sign = descending ? -1 : 1;
  return rows.sort((one, other) => {
    const a = key(one);
    const b = key(other);
    if (a === b) return 0; // the sort is stable
    if (a === null || a === undefined) return 1; // what is not known stands last, whichever way it is sorted
    if (b === null || b === undefined) return -1;
    return (a < b ? -1 : 1) * sign;
  });
}

const compareText = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
