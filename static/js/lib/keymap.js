// Which keys ask for what: what everybody has, and what somebody chose instead, kept in their browser. Pure.
//
// An action is a name; its keys are one or two, with a space between ("g o"); "" is an action without a key.

export const ACTIONS = { next: "j", previous: "k", filter: "/", pause: "space", help: "?" };
export const MOST_KEYS = 2;
const SPOKEN_FOR = ["Escape", "Tab", "Enter", "Backspace", "x", "Home", "End", "PageUp", "PageDown", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"];

/** The keys of each action: those chosen where they may be, else its own, else none. What was chosen for an action that is none
 * any more is left alone. Two may have changed places, so all that was chosen is taken away first. */
export function keymap(defaults, chosen) {
  const own = Object.entries(chosen ?? {}).filter(([action]) => action in defaults);
  const map = { ...defaults, ...Object.fromEntries(own.map(([action]) => [action, ""])) };
  const isFree = (action, keys) => refusal(map, action, keys, () => "") === "";
  for (const [action, keys] of own) map[action] = [keys, defaults[action]].find((one) => isFree(action, one)) ?? "";
  return map;
}

/** Why an action cannot have these keys, in words; "" when it can. nameOf(action): as a person calls it. */
export function refusal(map, action, keys, nameOf) {
  if (typeof keys !== "string") return "these are no keys";
  if (keys === "") return action === "help" ? "this sheet needs a key" : "";
  const parts = keys.split(" ");
  if (parts.length > MOST_KEYS || parts.includes("")) return `${MOST_KEYS} keys at most`;
  const taken = parts.find((key) => SPOKEN_FOR.includes(key));
  if (taken) return `${taken} is spoken for`;
  for (const [other, theirs] of Object.entries(map)) {
    if (other === action || theirs === "") continue;
    if (theirs === keys) return `that is ${nameOf(other)}`;
    if (theirs.startsWith(`${keys} `)) return `${nameOf(other)} begins with it (${theirs})`;
    if (keys.startsWith(`${theirs} `)) return `${theirs} alone is ${nameOf(other)}`;
  }
  return "";
}

/** What has to be kept: only what differs from everybody's. */
export function choose(defaults, chosen, action, keys) {
  const kept = { ...chosen, [action]: keys };
  if (kept[action] === defaults[action]) delete kept[action];
  return kept;
}

/** Kept text as a choice; nothing for what cannot be read. */
export function readChosen(text) {
  try {
    const chosen = JSON.parse(text ?? "{}");
    return chosen !== null && typeof chosen === "object" && !Array.isArray(chosen) ? chosen : {};
  } catch {
    return {};
  }
}

/** The name of a key as it stands in a map; null for one that only changes others. */
export function keyName(key) {
  if (["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Dead"].includes(key)) return null;
  return key === " " ? "space" : key;
}
