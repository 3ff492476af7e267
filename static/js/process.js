// [data-process]: the head and the figures of one child, from the topic child:KEY; its samples go on to the charts.
import { knowState, setText, tint } from "./dom.js";
import { bytes, count, duration, percent } from "./lib/format.js";
import { live } from "./live.js";
import { settle } from "./pending.js";

const READS = { cpu: percent, rss: bytes, fds: count, threads: count, incarnation: count, restarts: count };

export function attach(head) {
  const id = `now:${head.dataset.node}`;
  let now = null;
  live.watch(`child:${head.dataset.process}`, (event, table) => {
    if (event.kind !== "reset" && event.kind !== "frame") return;
    const row = table.index.get(id);
    if (row === undefined) return;
    now = table.value(row, "data");
    if (now) show(now);
  });
  // A second in which nothing differs sends no row: the present values are the sample, as long as samples come.
  live.addEventListener("beat", () => {
    const ageS = live.age("samples");
    if (!now || ageS === null) return;
    live.dispatchEvent(new CustomEvent("sample", { detail: { at: live.now() - ageS, row: ageS < 3 ? now : {} } }));
  });
  live.addEventListener("tick", () => now?.since && write("since", duration(live.now() - now.since)));
  head.closest("dialog")?.addEventListener("close", () => live.forget(`child:${head.dataset.process}`));
  settle(document.querySelector('[data-now="state"] .state'));
}

function show(now) {
  const state = document.querySelector('[data-now="state"] .state');
  if (state && knowState(state, now.state)) tint(state);
  write("pid", now.pid === null ? "–" : String(now.pid), true);
  write("exit", now.exit ?? "–");
  write("status", now.status ?? "");
  write("since", now.since ? duration(live.now() - now.since) : "–");
  for (const [name, format] of Object.entries(READS)) write(name, format(now[name]), name === "restarts" || name === "incarnation");
}

function write(name, text, tinted = false) {
  for (const element of document.querySelectorAll(`dl [data-now="${name}"], [data-now="${name}"]:not(.now)`)) {
    if (element.querySelector(".state") || element.textContent === text) continue;
    setText(element, text);
    if (tinted) tint(element);
  }
}
