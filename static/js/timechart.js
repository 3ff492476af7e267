// A chart of values over time on one canvas. Data comes as columns, [times, values, values…], times in seconds ascending.
import { colours, prepare } from "./canvas.js";
import { root } from "./dom.js";
import { clock } from "./lib/format.js";
import { extent, linear, nearest, runs, ticks, timeTicks } from "./lib/scale.js";

const LEFT = 52;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 20;
const SERIES = ["accent", "ok", "warn", "busy", "crit", "idle"];

export class TimeChart {
  /** series: [{label, tone, fill, hidden, dashed}]; bands: [{low, high, tone}], numbers of series between which is filled; format: how a value reads; onMove(index or -1): the crosshair moved. */
  constructor(canvas, { series, bands = [], format = String, gapS = 5, fromZero = true, whole = false, onMove = () => {} }) {
    Object.assign(this, { canvas, series, bands, format, gapS, fromZero, whole, onMove });
    this.data = [[], ...series.map(() => [])];
    this.events = [];
    this.zoom = null;
    this.cross = null;
    this.drag = null;
    this.waiting = false;
    this.watch();
  }

  /** Columns as uPlot takes them; the window is [from, to] in seconds, or what the data spans. */
  setData(columns, window = null) {
    this.data = columns;
    this.window = window;
    this.redraw();
  }

  /** [{at, tone, label}]: restarts, deploys, alerts. */
  setEvents(events) {
    this.events = events;
    this.redraw();
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  get span() {
    const times = this.data[0];
    return this.zoom ?? this.window ?? [times[0] ?? 0, times.at(-1) ?? 1];
  }

  watch() {
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    document.addEventListener("overstory:theme", () => this.redraw());
    document.addEventListener("overstory:zone", () => this.redraw());
    document.addEventListener("overstory:crosshair", (event) => {
      this.cross = event.detail;
      this.onMove(this.cross === null ? -1 : nearest(this.data[0], this.cross));
      this.redraw();
    });
    const timeAt = (event) => {
      const box = this.canvas.getBoundingClientRect();
      const [from, to] = this.span;
      return linear(LEFT, box.width - RIGHT, from, to)(event.clientX - box.left);
    };
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.drag) this.drag.to = timeAt(event);
      this.show(timeAt(event));
    });
    this.canvas.addEventListener("pointerleave", () => this.show(null));
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0) this.drag = { from: timeAt(event), to: timeAt(event) };
    });
    addEventListener("pointerup", () => this.drag && this.endDrag());
    this.canvas.addEventListener("dblclick", () => {
      this.zoom = null;
      this.redraw();
    });
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || this.data[0].length === 0) return;
      event.preventDefault();
      const at = this.cross === null ? this.data[0].length - 1 : nearest(this.data[0], this.cross) + step;
      this.show(this.data[0][Math.max(0, Math.min(this.data[0].length - 1, at))]);
    });
    this.canvas.addEventListener("blur", () => this.show(null));
  }

  show(time) {
    document.dispatchEvent(new CustomEvent("overstory:crosshair", { detail: time }));
  }

  endDrag() {
    const [from, to] = [this.drag.from, this.drag.to].sort((one, other) => one - other);
    const [low, high] = this.span;
    if (to - from > (high - low) / 50) this.zoom = [from, to];
    this.drag = null;
    this.redraw();
  }

  draw() {
    const { context, width, height } = prepare(this.canvas);
    if (width === 0) return;
    const colour = colours();
    const [from, to] = this.span;
    const [times, ...columns] = this.data;
    const [low, high] = extent(columns, { fromZero: this.fromZero });
    const x = linear(from, to, LEFT, width - RIGHT);
    const y = linear(low, high, height - BOTTOM, TOP);
    context.clearRect(0, 0, width, height);
    this.drawAxes(context, { x, y, from, to, low, high, width, height, colour });
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width - LEFT - RIGHT + 2, height);
    context.clip();
    this.drawEvents(context, { x, height, colour });
    this.drawBands(context, { times, columns, x, y, colour });
    columns.forEach((values, place) => this.series[place].hidden || this.drawLine(context, { times, values, place, x, y, low, colour }));
    this.drawCross(context, { x, y, times, columns, height, colour });
    context.restore();
  }

  drawAxes(context, { x, y, from, to, low, high, width, height, colour }) {
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.fillStyle = colour["text-3"];
    context.strokeStyle = colour.line;
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of ticks(low, high, height > 140 ? 4 : 2, this.whole)) {
      const at = Math.round(y(value)) + 0.5;
      if (at < TOP - 1) continue;
      context.beginPath();
      context.moveTo(LEFT, at);
      context.lineTo(width - RIGHT, at);
      context.stroke();
      context.fillText(this.format(value), LEFT - 8, at);
    }
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    const utc = root.dataset.zone !== "local";
    for (const at of timeTicks(from, to, Math.max(2, Math.floor(width / 110)))) {
      if (x(at) < LEFT + 14 || x(at) > width - RIGHT - 14) continue;
      const text = clock(at * 1000, utc);
      context.fillText(to - from > 600 ? text.slice(0, 5) : text, x(at), height - 5);
    }
  }

  drawEvents(context, { x, height, colour }) {
    for (const { at, tone } of this.events) {
      context.fillStyle = colour[tone] ?? colour["text-3"];
      context.globalAlpha = 0.8;
      context.fillRect(Math.round(x(at)), TOP, 1, height - TOP - BOTTOM);
      context.fillRect(Math.round(x(at)) - 2, height - BOTTOM - 2, 5, 4);
      context.globalAlpha = 1;
    }
  }

  drawBands(context, { times, columns, x, y, colour }) {
    for (const { low, high, tone } of this.bands) {
      context.fillStyle = colour[tone];
      context.globalAlpha = 0.22;
      for (const [first, last] of runs(times, columns[low], Infinity)) {
        context.beginPath();
        for (let at = first; at <= last; at += 1) context.lineTo(x(times[at]), y(columns[high][at]));
        for (let at = last; at >= first; at -= 1) context.lineTo(x(times[at]), y(columns[low][at]));
        context.fill();
      }
      context.globalAlpha = 1;
    }
  }

  drawLine(context, { times, values, place, x, y, low, colour }) {
    const ink = colour[this.series[place].tone ?? SERIES[place % SERIES.length]];
    context.strokeStyle = ink;
    context.fillStyle = ink;
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    context.setLineDash(this.series[place].dashed ? [4, 4] : []);
    for (const [first, last] of runs(times, values, this.gapS)) {
      context.beginPath();
      for (let at = first; at <= last; at += 1) context.lineTo(x(times[at]), y(values[at]));
      if (first === last) context.arc(x(times[first]), y(values[first]), 1.25, 0, 2 * Math.PI);
      context.stroke();
      if (this.series[place].fill && last > first) {
        context.lineTo(x(times[last]), y(low));
        context.lineTo(x(times[first]), y(low));
        context.globalAlpha = 0.1;
        context.fill();
        context.globalAlpha = 1;
      }
    }
    context.setLineDash([]);
  }

  drawCross(context, { x, y, times, columns, height, colour }) {
    if (this.drag) {
      context.fillStyle = colour.accent;
      context.globalAlpha = 0.15;
      context.fillRect(x(this.drag.from), TOP, x(this.drag.to) - x(this.drag.from), height - TOP - BOTTOM);
      context.globalAlpha = 1;
    }
    if (this.cross === null) return;
    const at = nearest(times, this.cross);
    if (at < 0) return;
    const place = Math.round(x(times[at])) + 0.5;
    context.strokeStyle = colour["text-3"];
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(place, TOP);
    context.lineTo(place, height - BOTTOM);
    context.stroke();
    columns.forEach((values, series) => {
      if (values[at] === null || values[at] === undefined) return;
      context.fillStyle = colour[this.series[series].tone ?? SERIES[series % SERIES.length]];
      context.beginPath();
      context.arc(place, y(values[at]), 3, 0, 2 * Math.PI);
      context.fill();
    });
  }
}
