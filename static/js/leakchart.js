// [data-leak-chart="ID"]: what a finding measured, its onset, and the band in which it goes on; continued as the topic tells.
import { bytes, clock, count } from "./lib/format.js";
import { projected } from "./lib/projection.js";
import { live } from "./live.js";
import { setText } from "./dom.js";
import { TimeChart } from "./timechart.js";

export function attach(holder) {
  const given = JSON.parse(document.getElementById("leak-chart")?.textContent || "null");
  if (!given) return;
  const format = given.bytes ? bytes : count;
  const legend = document.querySelector('[data-legend="leak"]');
  const words = legend?.textContent ?? "";
  let data = given;
  let columns = [[], [], [], [], []];
  const chart = new TimeChart(holder.querySelector("canvas"), {
    series: [{ label: "value", tone: "warn" }, { label: "if it goes on", tone: "warn", dashed: true }, { label: "least", tone: "warn", hidden: true }, { label: "most", tone: "warn", hidden: true }],
    bands: [{ low: 2, high: 3, tone: "warn" }],
    format,
    gapS: 200,
    fromZero: false,
    whole: !given.bytes,
    onMove: (at) => legend && setText(legend, at < 0 ? words : said(columns, at, format)),
  });
  const draw = () => {
    columns = projected(data);
    chart.setData(columns);
    chart.setEvents(
      [
        { at: data.since, tone: "accent" },
        { at: data.found, tone: "warn" },
        { at: data.ended, tone: "idle" },
      ].filter(({ at }) => at !== null && at !== undefined),
    );
  };
  draw();
  live.watch("leaks", (event, table) => {
    if (event.kind !== "frame" && event.kind !== "reset") return;
    const row = table.index.get(holder.dataset.leakChart);
    if (row === undefined) return;
    const [points, rate, low, high, ended] = ["points", "rate", "rate_low", "rate_high", "ended_at"].map((name) => table.value(row, name));
    if (!points) return;
    const last = data.points.at(-1)?.[0] ?? -Infinity;
    data = { ...data, rate, low, high, ended, points: [...data.points, ...points.filter(([at]) => at > last)] };
    draw();
  });
}

function said([times, values, , low, high], at, format) {
  const when = clock(times[at] * 1000);
  if (values[at] !== null) return `${when}  ${format(values[at])}`;
  return `${when}  between ${format(low[at])} and ${format(high[at])}, if it goes on`;
}
