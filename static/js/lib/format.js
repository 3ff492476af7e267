// How numbers and times read. The same rules as controlplane/templatetags/overstory.py; tests/data/format_cases.json holds both.

/** 212 MiB; powers of 1024, as in filters. What is not known reads as a dash, never as zero. */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = Number(value);
  let unit = 0;
  while (Math.abs(size) >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && Math.abs(size) < 9.95 ? 1 : 0;
  return `${size.toFixed(digits)} ${units[unit]}`;
}

/** A ratio of one core as 3.2 %; 140 % is one and two fifths of a core. */
export function percent(ratio) {
  if (ratio === null || ratio === undefined) return "–";
  const value = Number(ratio) * 100;
  return `${value.toFixed(value < 9.95 ? 1 : 0)} %`;
}

const FIGURE_SPACE = "\u2007";

/** The same for a column: always as wide up to 99.9 %, so that points stand below each other, and what is drawn keeps its place
 * where only a figure changes (a browser lays out and layers anew what has another width). */
export function percentInColumn(ratio) {
  return ratio === null || ratio === undefined ? "–" : `${(Number(ratio) * 100).toFixed(1).padStart(4, FIGURE_SPACE)} %`;
}

/** Two largest units: 3d 4h, 4h 12m, 5m 2s, 12s. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const total = Math.max(0, Math.floor(Number(seconds)));
  const parts = [
    [Math.floor(total / 86400), "d"],
    [Math.floor(total / 3600) % 24, "h"],
    [Math.floor(total / 60) % 60, "m"],
    [total % 60, "s"],
  ];
  const first = parts.findIndex(([size]) => size > 0);
  if (first < 0) return "0s";
  return parts
    .slice(first, first + 2)
    .filter(([size]) => size > 0)
    .map(([size, unit]) => size + unit)
    .join(" ");
}

/** How long something runs, in a list: 12s, then whole minutes (5m, 4h 12m), so that a list at rest stands still. */
export function uptime(seconds) {
  const total = Number(seconds);
  return duration(total >= 60 ? total - (total % 60) : seconds);
}

/** 12,345 */
export function count(value) {
  if (value === null || value === undefined) return "–";
  return String(Math.round(Number(value))).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The age of what is shown. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "never";
  if (seconds < 2) return "now";
  return `${duration(seconds)} ago`;
}

const pad = (number, width = 2) => String(number).padStart(width, "0");

/** 14:03:59 in UTC or where the reader is. */
export function clock(milliseconds, utc = true, withMillis = false) {
  const at = new Date(milliseconds);
  const [hours, minutes, seconds] = utc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const text = `${pad(hours)}:${pad(minutes)}:${pad(seconds)}`;
  return withMillis ? `${text}.${pad(at.getUTCMilliseconds(), 3)}` : text;
}
