// Axes of a chart: round steps, and values to pixels. Pure.

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

/** Round numbers that cover [low, high] in about `wanted` steps. */
export function ticks(low, high, wanted = 4, whole = false) {
  if (!(high > low)) return [low];
  const rough = Math.max((high - low) / wanted, whole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough && (!whole || Number.isInteger(size))) ?? 10 * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) found.push(Number((n * step).toPrecision(12)));
  return found.length < 2 && wanted < 32 && !(whole && step === 1) ? ticks(low, high, wanted * 2, whole) : found;
}

/** Moments in seconds since the epoch, on round times. */
export function timeTicks(from, to, wanted = 6) {
  const rough = (to - from) / wanted;
  const step = STEPS_S.find((size) => size >= rough) ?? STEPS_S.at(-1);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

/** Smallest and largest of the known values of all series; counts and sizes start at zero. */
export function extent(series, { fromZero = true } = {}) {
  let low = Infinity;
  let high = -Infinity;
  for (const values of series) {
    for (const value of values) {
      if (value === null || value === undefined || Number.isNaN(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return [0, 1];
  if (fromZero) low = Math.min(0, low);
  else if (high - low < Math.abs(high) * 0.02) {
    const margin = Math.abs(high) * 0.05; // what hardly moves stands in the middle
    low -= margin;
    high += margin;
  }
  if (low === high) high = low + 1;
  return [low, high + (high - low) * 0.06];
}

/** A function from [low, high] to [start, end]. */
export function linear(low, high, start, end) {
  const slope = (end - start) / (high - low || 1);
  return (value) => start + (value - low) * slope;
}

/** Index of the moment nearest to `at` in an ascending list; -1 when it is empty. */
export function nearest(times, at) {
  let low = 0;
  let high = times.length - 1;
  if (high < 0) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle;
    else high = middle;
  }
  return Math.abs(times[high] - at) < Math.abs(at - times[low]) ? high : low;
}

/** Runs of known, near points as [first, last]: between two runs the line is broken. */
export function runs(times, values, gapS) {
  const found = [];
  let first = -1;
  for (let at = 0; at < values.length; at += 1) {
    const known = values[at] !== null && values[at] !== undefined && !Number.isNaN(values[at]);
    const near = first >= 0 && times[at] - times[at - 1] <= gapS;
    if (known && first >= 0 && near) found[found.length - 1][1] = at;
    else if (known) {
      first = at;
      found.push([at, at]);
    }
    if (!known) first = -1;
  }
  return found;
}
