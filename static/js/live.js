// The one socket of a page. Reconnects with full jitter, slows down when hidden, asks by HTTP where sockets do not get
// through, and knows how old everything is.
import { address } from "./dom.js";
import { Feed } from "./lib/feed.js";
import { isStale, pace, retryDelay } from "./lib/retry.js";
import { Table } from "./lib/table.js";

const BEAT_MS = 10_000;
const SILENCE_MS = 12_000;
const SILENT_NODE_S = 5;
const SECOND_MS = 1000;
const POLL_MS = 5_000;
const TRIES_BEFORE_POLLING = 3;
const FINAL = { 4401: "log in again", 4403: "refused: foreign origin" };

class Live extends EventTarget {
  constructor(config) {
    super();
    this.config = config;
    this.feed = new Feed(config?.topics ?? {});
    this.chosenHz = 4;
    this.paused = false;
    this.hiddenSince = document.hidden ? performance.now() : null;
    this.attempt = 0;
    this.state = "wait"; // wait, live, stale, paused, off
    this.why = "connecting";
    this.heardAt = performance.now();
    this.agesAt = performance.now();
    this.listeners = new Map();
    if (!config) return;
    document.addEventListener("visibilitychange", () => this.#onVisibility());
    setInterval(() => this.#tick(), SECOND_MS);
    addEventListener("online", () => this.#soon(0));
    this.#connect();
  }

  /** Be told of a topic: listener({kind: "reset" | "frame" | "gone" | "refused", ...}, table). A new one is subscribed to. */
  watch(topic, listener, sub) {
    if (!this.listeners.has(topic)) this.listeners.set(topic, new Set());
    this.listeners.get(topic).add(listener);
    const known = this.feed.topics.get(topic);
    if (!known || sub) {
      this.feed.add(topic, { ...known, ...sub });
      this.#send(this.feed.subscribe(this.hz, [topic]));
    } else if (known.isSynced) {
      listener({ kind: "reset", topic }, known.table);
    }
    return this.feed.tableOf(topic);
  }

  /** Stop asking for a topic that nobody here shows any more. */
  forget(topic) {
    this.listeners.delete(topic);
    if (this.feed.topics.delete(topic)) this.#send({ op: "unsub", topics: [topic] });
  }

  /** A topic's rows now: what is held, or else one answer by HTTP. */
  async peek(topic) {
    const held = this.feed.topics.get(topic);
    if (held?.isSynced) return held.table;
    const response = await fetch(`${this.config.snapshot}?topics=${topic}&${topic}.cols=key,node,host,state`, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`snapshot: ${response.status}`);
    const table = new Table();
    table.reset((await response.json()).topics[topic]);
    return table;
  }

  addressOf(table, row) {
    return processAddress(table.value(row, "key"), table.value(row, "node"));
  }

  /** Ask for the last sixty points of rows that came into view. */
  askSparks(ids) {
    for (let at = 0; at < ids.length; at += 200) this.#send({ op: "sparks", ids: ids.slice(at, at + 200) });
  }

  get hz() {
    const hiddenForMs = this.hiddenSince === null ? 0 : performance.now() - this.hiddenSince;
    return pace({ hidden: this.hiddenSince !== null, hiddenForMs, paused: this.paused, chosenHz: this.chosenHz });
  }

  /** Seconds since what is shown was last known to be true; null when never. */
  age(kind = "rows") {
    const told = this.feed.ages[kind];
    return told === null || told === undefined ? null : told + (performance.now() - this.agesAt) / 1000;
  }

  /** The server's clock in Unix seconds: durations are right on a machine whose clock is not. */
  now() {
    return Date.now() / 1000 + (this.clockOffset ?? 0);
  }

  /** Seconds a node has sent no samples; 0 while it does, and when nothing is known. */
  silence(node) {
    const at = this.feed.sampledAt[node];
    if (at === undefined || this.state !== "live") return 0;
    const seconds = this.now() - at;
    return seconds > SILENT_NODE_S ? seconds : 0;
  }

  setPaused(paused) {
    this.paused = paused;
    this.#pace();
    this.#show(paused ? "paused" : "wait", paused ? "paused" : "catching up");
  }

  setHz(hz) {
    this.chosenHz = hz;
    this.#pace();
  }

  #pace() {
    if (this.hz === 0) this.#send({ op: "unsub", topics: [...this.feed.topics.keys()] });
    else this.#send(this.feed.subscribe(this.hz));
  }

  #onVisibility() {
    const wasSilent = this.hz === 0;
    this.hiddenSince = document.hidden ? performance.now() : null;
    if (this.paused) return;
    if (wasSilent) this.#pace();
    else this.#send({ op: "rate", hz: this.hz });
    if (!document.hidden && this.socket?.readyState !== WebSocket.OPEN) this.#soon(0);
  }

  #connect() {
    this.timer = null;
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) return;
    const url = new URL(this.config.url, location.href).href.replace(/^http/, "ws"); // the server wrote it with its path prefix
    this.socket = new WebSocket(url);
    this.socket.addEventListener("message", (event) => this.#onMessage(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.#onClose(event));
    this.heardAt = performance.now();
  }

  #onMessage(message) {
    this.heardAt = performance.now();
    this.attempt = 0;
    if (message.op === "hello" || message.op === "beat") this.clockOffset = message.at - Date.now() / 1000;
    const { send, events } = this.feed.handle(message, this.hz || 0.2);
    for (const event of events) this.#tell(event);
    for (const answer of send) if (!(answer.op === "sub" && this.paused)) this.#send(answer);
    this.#second(0.9 * SECOND_MS);
  }

  /** What goes on by itself goes on with what arrives, and by the clock where nothing does: the page is drawn once for both. */
  #second(after) {
    const now = performance.now();
    if (now - (this.tickedAt ?? 0) < after) return;
    this.tickedAt = now;
    this.dispatchEvent(new CustomEvent("tick"));
  }

  #tell(event) {
    if (event.kind === "beat") this.agesAt = performance.now();
    if (["beat", "reset", "frame"].includes(event.kind) && !this.paused) this.#judge();
    if (event.topic) {
      const table = this.feed.tableOf(event.topic);
      for (const listener of this.listeners.get(event.topic) ?? []) listener(event, table);
    } else {
      this.dispatchEvent(new CustomEvent(event.kind, { detail: event }));
    }
  }

  #send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (message.op === "sub" && Object.keys(message.topics).length === 0) return;
    this.socket.send(JSON.stringify(message));
    this.sentAt = performance.now();
  }

  #onClose(event) {
    if (event.code in FINAL) {
      this.#show("off", FINAL[event.code]);
      this.isFinal = true;
      return;
    }
    if (!this.paused) this.#show("stale", event.code === 4429 ? "too many pages are open" : "reconnecting");
    if (event.code === 4429) this.attempt = Math.max(this.attempt, 5);
    this.#soon(event.code === 1012 ? 500 : retryDelay(this.attempt, Math.random()));
    this.attempt += 1;
    if (this.attempt === TRIES_BEFORE_POLLING) this.#poll();
  }

  #soon(delayMs) {
    if (this.isFinal || this.socket?.readyState === WebSocket.OPEN) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#connect(), delayMs);
  }

  /** Some proxies pass no sockets: then snapshots, each five seconds, until a socket opens. */
  async #poll() {
    while (this.attempt >= TRIES_BEFORE_POLLING && !this.isFinal) {
      if (!document.hidden && !this.paused && this.feed.topics.size > 0) await this.#snapshot();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #snapshot() {
    const parameters = new URLSearchParams({ topics: [...this.feed.topics.keys()].join(",") });
    for (const [name, { cols, filter }] of this.feed.topics) {
      if (cols) parameters.set(`${name}.cols`, cols.join(","));
      if (filter) parameters.set(`${name}.filter`, filter);
    }
    try {
      const response = await fetch(`${this.config.snapshot}?${parameters}`, { credentials: "same-origin" });
      if (!response.ok) return;
      const answer = await response.json();
      this.#tell({ kind: "beat" });
      this.feed.ages = answer.ages;
      for (const topic of Object.values(answer.topics)) for (const event of this.feed.handle({ op: "snap", ...topic }, 0).events) this.#tell(event);
    } catch {
      // the server is away: the page is marked stale, and the next round asks again
    }
  }

  #tick() {
    const silentMs = performance.now() - this.heardAt;
    if (this.socket?.readyState === WebSocket.OPEN) {
      if (performance.now() - (this.sentAt ?? 0) > BEAT_MS) this.#send({ op: "beat" });
      if (silentMs > SILENCE_MS) this.socket.close();
    }
    if (this.state === "live") this.#judge(silentMs > (document.hidden ? 15_000 : 3_000));
    if (this.hiddenSince !== null && !this.wasSilenced && this.hz === 0 && !this.paused) this.#pace();
    this.wasSilenced = this.hz === 0;
    this.#second(1.15 * SECOND_MS);
  }

  /** Beats arrive also while the store is away: then they say how old the rows are, and the page is not live. */
  #judge(isSilent = false) {
    const isOld = isSilent || isStale((this.age() ?? 0) * 1000, 1000);
    this.#show(isOld ? "stale" : "live", isOld ? "stale" : "live");
  }

  #show(state, why) {
    if (this.state === state && this.why === why) return;
    this.state = state;
    this.why = why;
    this.dispatchEvent(new CustomEvent("state"));
  }
}

/** The page of a child on its node. */
export const processAddress = (key, node) => `${address(`process/${key.split("/").map(encodeURIComponent).join("/").replaceAll("%40", "@")}`)}${node ? `?node=${encodeURIComponent(node)}` : ""}`;

const element = document.getElementById("live");
export const live = new Live(element ? JSON.parse(element.textContent) : null);
