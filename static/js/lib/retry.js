// When to try again. Full jitter: a thousand pages that lost one server do not return in step.

export const FIRST_MS = 500;
export const CAP_MS = 15_000;

/** Milliseconds before try number `attempt` (0 is the first), for a `random` in [0, 1). */
export function retryDelay(attempt, random) {
  const ceiling = Math.min(CAP_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(FIRST_MS + random * Math.max(0, ceiling - FIRST_MS));
}

/** How often to be told, in Hz: hidden pages slow down, and stop after five minutes. */
export function pace({ hidden, hiddenForMs, paused, chosenHz }) {
  if (paused) return 0;
  if (!hidden) return chosenHz;
  return hiddenForMs < 300_000 ? 0.2 : 0;
}

/** Whether what is shown is too old: three intervals, and never sooner than 3 s. */
export const isStale = (ageMs, intervalMs) => ageMs > Math.max(3000, 3 * intervalMs);
