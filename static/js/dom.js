// Small words for building elements. Nothing here takes markup: text stays text.
import { glyphOf, rollup, toneOf } from "./lib/states.js";

export const root = document.documentElement;
const SVG = "http://www.w3.org/2000/svg";

const base = new URL(root.dataset.root || "/", location.href).href;

/** An address of this instance, below its path prefix. */
export const address = (path) => new URL(path.replace(/^\//, ""), base).href;

/** make("a", {href: "/x", class: "button"}, "words", element) */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A symbol of the sprite. */
export function symbol(name, classes = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${root.dataset.sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** A state as shape and word, the same as the template tag makes. */
export function stateElement(word, { chip = false } = {}) {
  const element = make("span", {}, symbol(glyphOf(word), "glyph"), make("span", { class: "state-word" }));
  setState(element, word, { chip });
  return element;
}

/** Change a state in place; `pending` is a word such as "stopping…" that is not confirmed yet. */
export function setState(element, word, { chip = element.classList.contains("chip"), pending = null } = {}) {
  const tone = toneOf(word);
  element.className = `state tone-${tone}${chip ? " chip" : ""}`;
  element.dataset.state = word;
  element.toggleAttribute("data-pending", pending !== null);
  const svg = element.querySelector("svg");
  setAttribute(svg, "class", `glyph${tone === "busy" ? " turns" : ""}`);
  setAttribute(svg.firstElementChild, "href", `${root.dataset.sprite}#${glyphOf(word)}`); // an equal one too would copy the symbol anew
  setText(element.querySelector(".state-word"), pending ?? word);
}

/** The same bar as the template tag draws. */
export function rollupElement(states) {
  const { parts, words } = rollup(states);
  const svg = symbol("none", "bar");
  svg.replaceChildren();
  svg.setAttribute("viewBox", "0 0 100 6");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.removeAttribute("aria-hidden");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", words);
  for (const { tone, x, width } of parts) {
    const rect = document.createElementNS(svg.namespaceURI, "rect");
    for (const [name, value] of Object.entries({ class: tone, x, width, height: 6 })) rect.setAttribute(name, value);
    svg.append(rect);
  }
  return svg;
}

/** What is known of a state now; while a command is pending its word stands, and this follows when it ends. True when it was drawn anew. */
export function knowState(element, word) {
  setAttribute(element, "data-known", word);
  if (element.hasAttribute("data-pending") || element.dataset.state === word) return false;
  setState(element, word);
  return true;
}

/** Write only what differs: an equal write would still cost a layout and disturb a selection. */
export function setText(element, text) {
  const only = element.firstChild;
  if (only?.nodeType === Node.TEXT_NODE && only.nextSibling === null) {
    if (only.data !== text) only.data = text;
  } else if (element.textContent !== text) element.textContent = text;
}

/** The same for an attribute. */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Tint what changed, once. */
export function tint(element) {
  element.classList.remove("changed");
  void element.offsetWidth; // restarts the animation
  element.classList.add("changed");
}

/** A cookie that the server reads when it makes the next page, so that nothing flickers. */
export function remember(name, value) {
  const path = new URL(root.dataset.root || "/", location.href).pathname;
  document.cookie = `${name}=${encodeURIComponent(value)}; path=${path}; max-age=31536000; samesite=lax`;
}

/** Tell main.js that there is something new to attach to. An event, because modules that name each other cannot be hashed. */
export const announce = (scope) => document.dispatchEvent(new CustomEvent("overstory:attach", { detail: scope }));

/** Whether keys are meant for a field. */
export const isTyping = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

const SOON_MS = 100;

/** Call work() when what was changed is drawn, and nothing is more urgent. */
export function afterPaint(work) {
  const soon = globalThis.requestIdleCallback ? () => requestIdleCallback(work, { timeout: SOON_MS }) : () => setTimeout(work, 0);
  requestAnimationFrame(soon);
}
