// How lines of a log are judged and searched. Pure.

const LEVELS = [
  ["critical", /\b(CRITICAL|FATAL|panic)\b/],
  ["error", /\b(ERROR|Error|Exception|Traceback|E\d{4})\b|^[\w.]*(?:Error|Exception):/],
  ["warning", /\b(WARN|WARNING|Warning|DeprecationWarning)\b/],
];
const AT_LEAST = { warning: ["warning", "error", "critical"], error: ["error", "critical"] };

/** "critical", "error", "warning" or "": guessed from the text, which is all a program gives. */
export function severityOf(text) {
  for (const [level, pattern] of LEVELS) if (pattern.test(text)) return level;
  return "";
}

export const isAtLeast = (severity, least) => !least || AT_LEAST[least].includes(severity);

/** A finder for what was typed: /regular expression/ or plain text in any case. null when it is empty; throws SyntaxError. */
export function finder(query) {
  const typed = query.trim();
  if (typed === "" || typed === "/") return null;
  const pattern = /^\/(.+)\/?$/.test(typed) && typed.startsWith("/") ? typed.replace(/^\//, "").replace(/\/$/, "") : typed.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(pattern, "gi");
}

/** [text, isMatch] pieces of a line. */
export function pieces(text, find) {
  if (!find) return [[text, false]];
  const found = [];
  let from = 0;
  find.lastIndex = 0;
  for (let match = find.exec(text); match; match = find.exec(text)) {
    if (match[0] === "") {
      find.lastIndex += 1;
      continue;
    }
    if (match.index > from) found.push([text.slice(from, match.index), false]);
    found.push([match[0], true]);
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push([text.slice(from), false]);
  return found;
}
