// What somebody chose of the keys, kept in this browser, and the map that follows from it.
import { ACTIONS, choose, keymap, readChosen, refusal } from "./lib/keymap.js";

const KEPT = "overstory.keymap";
const WORDS = { next: "next row", previous: "previous row", filter: "filter this page", pause: "pause or resume", help: "this sheet" };

/** Links of the rail that have a key: [{action, key, title, href}]. */
export const places = () =>
  [...document.querySelectorAll("[data-key]:not(form)")].map((link) => ({ action: `go ${link.dataset.key}`, title: link.dataset.title, href: link.href, key: link.dataset.key }));

export const defaults = () => ({ ...ACTIONS, ...Object.fromEntries(places().map(({ action, key }) => [action, `g ${key}`])) });

export function chosen() {
  try {
    return readChosen(localStorage.getItem(KEPT));
  } catch {
    return {}; // storage is forbidden
  }
}

export const current = () => keymap(defaults(), chosen());

/** An action in a person's words. */
export const nameOf = (action) => WORDS[action] ?? places().find((place) => place.action === action)?.title ?? action;

/** Give an action these keys from now on. Why that cannot be, in words; "" when it is done. */
export function bind(action, keys) {
  const why = refusal(current(), action, keys, nameOf);
  if (why === "") keep(choose(defaults(), chosen(), action, keys));
  return why;
}

/** Everybody's keys again. */
export const reset = () => keep({});

function keep(map) {
  try {
    if (Object.keys(map).length === 0) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, JSON.stringify(map));
  } catch {
    // it holds for this page only where nothing may be kept; then nothing does
  }
  document.dispatchEvent(new CustomEvent("overstory:keymap"));
}

/** A link says its key where everybody's is not. */
export function labelPlaces() {
  const map = current();
  for (const link of document.querySelectorAll(".rail-link[data-key]")) {
    const keys = map[`go ${link.dataset.key}`];
    link.title = keys ? `${link.dataset.title} (${keys})` : link.dataset.title;
  }
}
