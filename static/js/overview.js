// [data-overview]: verdict, counts, attention, nodes, trees and the last hour, from the topic `summary`.
import { address, announce, make, rollupElement, setText, stateElement, symbol, tint } from "./dom.js";
import { count, clock } from "./lib/format.js";
import { toneOf } from "./lib/states.js";
import { live, processAddress } from "./live.js";

const LEVELS = { good: "ok", warning: "warn", trouble: "crit" };

export function attach(page) {
  const show = {
    verdict: (value) => showVerdict(page, value),
    states: (value) => showCounts(page, { running: value.running, backoff: value.backoff, failed: value.failed + value.lost, held: value.held }),
    node_states: (value) => value && showCounts(page, { silent: value.suspect + value.down }),
    strays: (value) => value !== null && showCounts(page, { strays: value }),
    attention: (value) => showAttention(page, value),
    nodes: (value) => showNodes(page.querySelector("[data-heat]"), value),
    trees: (value) => showTrees(page.querySelector("[data-trees]"), value),
    timeline: (value) => document.dispatchEvent(new CustomEvent("overstory:timeline", { detail: value })),
  };
  live.watch("summary", (event, table) => {
    const rows = event.kind === "reset" ? table.ids.map((_, row) => row) : event.kind === "frame" ? [...event.added, ...event.changed.map(([row]) => row)] : [];
    for (const row of rows) {
      const value = table.value(row, "value");
      if (value !== undefined) show[table.ids[row]]?.(value);
    }
  });
}

function showVerdict(page, { level, text, since }) {
  const words = page.querySelector("[data-verdict-text]");
  const tone = LEVELS[level];
  const shape = symbol(`state-${tone ?? (level === "unknown" ? "unknown" : "idle")}`, `glyph large tone-${tone ?? "idle"}`);
  page.querySelector("[data-verdict] > svg").replaceWith(shape);
  setText(words, text);
  const at = page.querySelector("[data-verdict-since]");
  if (at && since) setText(at, clock(since * 1000));
}

function showCounts(page, numbers) {
  for (const [word, number] of Object.entries(numbers)) {
    const card = page.querySelector(`[data-count="${word}"]`);
    if (!card || number === undefined || number === null || Number.isNaN(number)) continue;
    const figure = card.querySelector(".figure");
    if (figure.textContent !== count(number)) {
      setText(figure, count(number));
      tint(figure);
    }
    card.toggleAttribute("data-zero", number === 0);
  }
}

function showAttention(page, items) {
  const list = page.querySelector("[data-attention]");
  if (list.contains(document.activeElement) && list.matches(":focus-within")) {
    const held = new Set(items.map((item) => `${item.node}:${item.key}`));
    const shown = [...list.children].map((line) => line.dataset.id);
    if (shown.length === held.size && shown.every((id) => held.has(id))) return; // nothing jumps under the keyboard for a change of words
  }
  list.replaceChildren(...items.map(attentionLine));
  announce(list);
  list.hidden = items.length === 0;
  page.querySelector("[data-attention-none]").hidden = items.length > 0;
}

/** What is wrong, without the name that stands above it anyway. */
function whyOf({ text, key }) {
  const said = key && text.startsWith(key) ? text.slice(key.length).replace(/^[: ]+/, "") : text;
  return said ? said[0].toUpperCase() + said.slice(1) : text;
}

function attentionLine(item) {
  const isNode = item.kind === "node" || !item.key;
  const isTask = item.kind === "task";
  const href = isNode ? address("nodes") : isTask ? item.action.url : processAddress(item.key, item.node);
  const who = make("a", { class: "who", href, "data-row-link": true }, isNode ? item.host || item.node : item.key);
  const where = !isNode && item.host ? make("span", { class: "text-3" }, ` ${isTask ? "of" : "on"} ${item.host}`) : null;
  const action = item.action ? make("a", { class: "button", href: item.action.url, "data-dialog": item.action.url.includes("/act/") }, item.action.label) : null;
  const tone = LEVELS[item.level] ?? "idle";
  const glyph = make("span", { title: item.state }, symbol(`state-${tone}`, `glyph tone-${tone}`));
  return make("li", { "data-id": `${item.node}:${item.key}` }, glyph, make("div", {}, who, where, make("p", { class: "why" }, whyOf(item))), action);
}

function showNodes(heat, nodes) {
  if (!nodes || !heat) return;
  if (nodes.length === 0) return heat.replaceChildren(make("p", { class: "text-2" }, "No node has joined."));
  heat.replaceChildren(
    ...nodes.map((node) =>
      make(
        "a",
        { class: `heat-node tone-${toneOf(node.state)}`, href: `${address("processes")}?q=node:${encodeURIComponent(node.node)}` },
        make("span", { class: "line" }, make("strong", { class: "clip grow" }, node.host || node.node), node.state ? stateElement(node.state) : null),
        rollupElement(node.states),
        make("small", { class: "text-3 num" }, `${count(node.total)} processes`),
      ),
    ),
  );
}

function showTrees(list, trees) {
  if (!trees || !list) return;
  if (trees.length === 0) return list.replaceChildren(make("li", { class: "text-2" }, "No tree yet."));
  list.replaceChildren(
    ...trees.map((tree) =>
      make(
        "li",
        { class: "line" },
        make("a", { class: "grow clip", href: `${address("tree")}?q=tree:${encodeURIComponent(tree.tree)}` }, tree.tree),
        tree.revision ? make("span", { class: "text-3 num" }, `r${tree.revision}`) : null,
        rollupElement(tree.states),
        make("span", { class: "num text-2" }, count(tree.total)),
      ),
    ),
  );
}
