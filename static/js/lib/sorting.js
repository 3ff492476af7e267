// How lists are sorted: by a column, states by how bad they are, moments by how long they last. Pure.
import { severityOf } from "./states.js";

/** {column, descending} of "-restarts" or "key"; null for what is none. */
export function readSort(text, fallback = "key") {
  const written = text || fallback;
  return { column: written.replace(/^-/, ""), descending: written.startsWith("-") };
}

export const writeSort = ({ column, descending }) => (descending ? "-" : "") + column;

/** The next order when a header is pressed: the useful direction first, then the other. */
export function pressed(sort, column) {
  if (sort.column === column) return { column, descending: !sort.descending };
  return { column, descending: ["cpu", "rss", "restarts", "state"].includes(column) };
}

/** What rows are compared by. */
export function keyOf(column, valueOf) {
  if (column === "state") return (row) => severityOf(valueOf(row, "state"));
  if (column === "exit" || column === "host") return (row) => valueOf(row, column) || null;
  return (row) => valueOf(row, column);
}
