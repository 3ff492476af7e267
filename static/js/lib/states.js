// Which shape and tone a state has. The words are the ones of docs/glossary.md and there are no others.

const TONES = {
  running: "ok",
  up: "ok",
  starting: "busy",
  stopping: "busy",
  waiting: "busy",
  backoff: "warn",
  suspect: "warn",
  failed: "crit",
  lost: "crit",
  down: "crit",
  stopped: "idle",
  completed: "idle",
  held: "idle",
  drained: "idle",
  queued: "busy",
  retrying: "warn",
  parked: "crit",
  done: "idle",
  revoked: "idle",
};
const GLYPHS = { held: "held", completed: "done", done: "done", lost: "unknown" };

/** "ok", "busy", "warn", "crit" or "idle"; a word we do not know is idle. */
export const toneOf = (state) => TONES[state] ?? "idle";

/** Name of the symbol in the sprite; its outline differs for each tone. */
export const glyphOf = (state) => `state-${GLYPHS[state] ?? (state in TONES ? TONES[state] : "unknown")}`;

/** What an operator looks at first: higher is worse. */
const RANK = { failed: 9, lost: 8, down: 8, backoff: 7, suspect: 7, stopping: 5, starting: 4, waiting: 3, held: 2, stopped: 1, drained: 1 };
export const severityOf = (state) => RANK[state] ?? 0;

const ORDER = ["crit", "warn", "busy", "idle", "ok"];

/** Parts of a roll-up bar, worst first: {parts: [{tone, x, width}] of 100, words}. */
export function rollup(counts) {
  const entries = Object.entries(counts ?? {}).filter(([, number]) => number > 0);
  const total = entries.reduce((sum, [, number]) => sum + number, 0);
  const parts = [];
  let x = 0;
  for (const tone of ORDER) {
    const size = entries.reduce((sum, [word, number]) => sum + (toneOf(word) === tone ? number : 0), 0);
    if (size === 0) continue;
    const width = (100 * size) / total;
    parts.push({ tone, x: x.toFixed(2), width: width.toFixed(2) });
    x += width;
  }
  entries.sort(([one], [other]) => ORDER.indexOf(toneOf(one)) - ORDER.indexOf(toneOf(other)));
  return { parts, words: entries.map(([word, number]) => `${number} ${word}`).join(", ") || "no children" };
}
