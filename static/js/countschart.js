// [data-counts-chart]: processes by state over the last hour, from the topic counts.
import { setText } from "./dom.js";
import { clock, count } from "./lib/format.js";
import { live } from "./live.js";
import { TimeChart } from "./timechart.js";

const GROUPS = [
  ["running", "ok"],
  ["starting", "busy"],
  ["backoff", "warn"],
  ["failed", "crit"],
  ["stopped", "idle"],
];

export function attach(holder) {
  const given = JSON.parse(document.getElementById("counts")?.textContent || "null");
  if (!given) return;
  const legend = document.querySelector('[data-legend="counts"]');
  let { now, history } = given;
  const chart = new TimeChart(holder.querySelector("canvas"), {
    series: GROUPS.map(([label, tone]) => ({ label, tone, fill: label === "running" })),
    format: (value) => count(value),
    gapS: 45,
    whole: true,
    onMove: (at) => say(at),
  });
  const say = (at) => {
    if (!legend) return;
    const then = GROUPS.map(([name]) => [name, at < 0 ? null : history.groups[name][at]]).filter(([, number]) => number);
    const words = then.map(([name, number]) => `${count(number)} ${name}`).join(", ");
    setText(legend, at < 0 || !words ? `${count(now.states.running)} of ${count(now.total)} running` : `${clock((history.from + at * history.step) * 1000)}  ${words}`);
  };
  const draw = () => {
    const columns = GROUPS.map(([name]) => history.groups[name]);
    columns.forEach((column, at) => (chart.series[at].hidden = !column.some(Boolean))); // a red line at zero is no news
    const times = columns[0].map((_, at) => history.from + at * history.step);
    const first = Math.max(0, columns[0].findIndex((value) => value !== null) - 6);
    chart.setData([times, ...columns], [times[first], times.at(-1)]);
    if (chart.cross === null) say(-1);
  };
  draw();
  live.watch("counts", (event, table) => {
    if (event.kind !== "frame" && event.kind !== "reset") return;
    const value = (id) => (table.index.has(id) ? table.value(table.index.get(id), "value") : null);
    now = value("now") ?? now;
    history = value("history") ?? history;
    draw();
  });
}
