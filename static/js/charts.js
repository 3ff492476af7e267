// [data-chart="timeline"] and the charts of a process: where a chart's data comes from and how it reads.
import { setText } from "./dom.js";
import { bytes, clock, count, percent } from "./lib/format.js";
import { live } from "./live.js";
import { TimeChart } from "./timechart.js";

const KEPT = 600;
const READS = { cpu: percent, rss: bytes, fds: count, threads: count };

export function attach(holder) {
  if (holder.dataset.chart === "timeline") timeline(holder);
  else samples(holder, holder.dataset.chart);
}

const dataOf = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");

/** Restarts and failures by the minute, with marks for what an operator did. */
function timeline(holder) {
  const legend = document.querySelector('[data-legend="timeline"]');
  const chart = new TimeChart(holder.querySelector("canvas"), {
    series: [
      { label: "restarts", tone: "accent", fill: true },
      { label: "failures", tone: "crit" },
    ],
    format: (value) => count(value),
    gapS: 120,
    whole: true,
    onMove: (at) => say(at),
  });
  let data = null;
  const say = (at) => {
    if (!data) return;
    const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
    const words = at < 0 ? `${count(sum(data.restarts))} restarts, ${count(sum(data.failures))} failures` : `${clock((data.from + at * data.step) * 1000).slice(0, 5)}  ${count(data.restarts[at])} restarts, ${count(data.failures[at])} failures`;
    setText(legend, words);
  };
  const show = (value) => {
    if (!value) return;
    data = value;
    const times = value.restarts.map((_, at) => value.from + at * value.step);
    chart.setData([times, value.restarts, value.failures]);
    chart.setEvents((value.marks ?? []).map(({ at, kind }) => ({ at, tone: kind === "applied" ? "accent" : "crit" })));
    holder.querySelector("canvas").setAttribute("aria-label", `Last hour: ${count(value.restarts.reduce((a, b) => a + (b ?? 0), 0))} restarts`);
    say(-1);
  };
  show(dataOf("timeline"));
  document.addEventListener("overstory:timeline", (event) => show(event.detail));
}

/** One measure of one process: the last minute from the server, then every second as it comes. */
function samples(holder, name) {
  const given = dataOf("samples") ?? {};
  const panel = holder.closest("[data-samples]");
  const format = READS[name];
  const now = panel.querySelector(`[data-now="${name}"]`);
  const chart = new TimeChart(holder.querySelector("canvas"), {
    series: [{ label: name, tone: "accent", fill: true }],
    format,
    gapS: 3,
    fromZero: name !== "rss",
    whole: name === "fds" || name === "threads",
    onMove: (at) => now && setText(now, at < 0 ? format(values.at(-1)) : `${format(values[at])} at ${clock(times[at] * 1000)}`),
  });
  const values = [...(given[name] ?? [])];
  const step = given.step ?? 1;
  const last = given.until ?? Date.now() / 1000;
  const times = values.map((_, at) => last - (values.length - 1 - at) * step);
  const draw = () => chart.setData([times, values], [Math.min(times[0] ?? last, (times.at(-1) ?? last) - 60), times.at(-1) ?? last]);
  const push = (at, value) => {
    if (times.length > 0 && at < times.at(-1) + 0.4) return;
    times.push(at);
    values.push(value);
    if (times.length > KEPT) {
      times.shift();
      values.shift();
    }
    if (now && chart.cross === null) setText(now, format(value));
    draw();
  };
  draw();
  live.addEventListener("sample", ({ detail }) => {
    push(detail.at, detail.row[name] ?? null);
  });
}
