// How well a command matches what was typed. Pure.

/** Points for `text` against `query`, and where it matched; null when it does not. All letters have to come in order. */
export function score(query, text) {
  const wanted = query.toLowerCase().replace(/\s+/g, "");
  if (wanted === "") return { points: 0, at: [] };
  const where = text.toLowerCase();
  const whole = where.indexOf(query.toLowerCase().trim());
  if (whole >= 0) {
    const length = query.trim().length;
    const bonus = whole === 0 ? 40 : isStart(where, whole) ? 30 : 15;
    return { points: 100 + bonus - Math.min(20, where.length / 8), at: span(whole, length) };
  }
  const at = [];
  let points = 0;
  let from = 0;
  for (const letter of wanted) {
    const found = nextPlace(where, letter, from);
    if (found < 0) return null;
    points += found === from && at.length > 0 ? 6 : isStart(where, found) ? 8 : 1;
    at.push(found);
    from = found + 1;
  }
  return { points: points - Math.min(10, where.length / 16), at };
}

/** The best `limit` of `items`, best first; equal ones stay in their order. */
export function rank(query, items, { textOf = (item) => item.title, limit = 12 } = {}) {
  return items
    .map((item, place) => ({ item, place, match: score(query, textOf(item)) }))
    .filter(({ match }) => match !== null)
    .sort((one, other) => other.match.points + (other.item.weight ?? 0) - one.match.points - (one.item.weight ?? 0) || one.place - other.place)
    .slice(0, limit)
    .map(({ item, match }) => ({ item, at: match.at }));
}

const isStart = (text, at) => at === 0 || /[\s/@._:-]/.test(text[at - 1]);
const span = (first, length) => Array.from({ length }, (_, step) => first + step);

/** A word's first letter is worth waiting for, when the rest can still follow. */
function nextPlace(text, letter, from) {
  const plain = text.indexOf(letter, from);
  if (plain < 0 || isStart(text, plain) || plain === from) return plain;
  for (let at = plain; at >= 0; at = text.indexOf(letter, at + 1)) if (isStart(text, at)) return at;
  return plain;
}
