// What a page holds of the live protocol of docs/live.md: the topics' tables and what to answer to each message.
// Pure: it neither opens a socket nor reads a clock.
import { Table } from "./table.js";

export class Feed {
  /** wanted: {topic: {cols, filter}} as they go into `sub`. */
  constructor(wanted) {
    this.topics = new Map();
    for (const [name, sub] of Object.entries(wanted)) this.add(name, sub);
    this.ages = { rows: null, samples: null };
    this.sampledAt = {};
  }

  /** Want a topic, or want it otherwise. */
  add(name, { cols, filter } = {}) {
    const known = this.topics.get(name);
    this.topics.set(name, { table: known?.table ?? new Table(), cols, filter, isSynced: false, refusal: null });
  }

  tableOf(name) {
    return this.topics.get(name)?.table ?? null;
  }

  /** The message that subscribes to these topics, from where each table stands. */
  subscribe(hz, names = [...this.topics.keys()]) {
    const topics = {};
    for (const name of names) {
      const { table, cols, filter, isSynced } = this.topics.get(name);
      topics[name] = {};
      if (cols) topics[name].cols = cols;
      if (filter) topics[name].filter = filter;
      if (isSynced) Object.assign(topics[name], { since: table.seq, epoch: table.epoch });
    }
    return { op: "sub", topics, hz };
  }

  /** {send: [messages], events: [{topic, kind, ...}]} for one message of the server. `hz` is the present pace. */
  handle(message, hz) {
    if (message.op === undefined && message.t !== undefined) return this.#frame(message, hz);
    switch (message.op) {
      case "hello":
        return { send: [this.subscribe(hz)], events: [{ kind: "hello", user: message.user }] };
      case "snap":
        return this.#snapshot(message);
      case "beat":
        this.ages = message.ages ?? this.ages;
        return { send: [], events: [{ kind: "beat" }] };
      case "gone":
        this.#unsync(message.t);
        return { send: [], events: [{ kind: "gone", topic: message.t }] };
      case "refused":
        if (this.topics.has(message.t)) this.topics.get(message.t).refusal = message.why;
        return { send: [], events: [{ kind: "refused", topic: message.t, why: message.why, at: message.at }] };
      case "unsubbed":
        return this.#taken(message);
      case "sparks":
        return { send: [], events: [{ kind: "sparks", rows: message.rows }] };
      default:
        return { send: [], events: [] }; // a newer server may say more
    }
  }

  #snapshot(message) {
    const topic = this.topics.get(message.t);
    if (!topic) return { send: [], events: [] };
    topic.table.reset(message);
    topic.isSynced = true;
    topic.refusal = null;
    this.#sampled(message.s);
    return { send: [], events: [{ kind: "reset", topic: message.t }] };
  }

  #frame(message, hz) {
    const topic = this.topics.get(message.t);
    if (!topic) return { send: [], events: [] };
    const outcome = topic.isSynced ? topic.table.apply(message) : null;
    if (!outcome) {
      if (!topic.isSynced && topic.isAsked) return { send: [], events: [] }; // the answer to the last `sub` is on its way
      this.#unsync(message.t);
      topic.isAsked = true;
      return { send: [this.subscribe(hz, [message.t])], events: [{ kind: "gone", topic: message.t }] };
    }
    topic.isAsked = false;
    const sampled = this.#sampled(message.s);
    return { send: [{ op: "ack", t: message.t, b: message.b }], events: [{ kind: "frame", topic: message.t, sampled, ...outcome }] };
  }

  #taken(message) {
    const topic = this.topics.get(message.t);
    if (!topic) return { send: [], events: [] };
    topic.table.reset({ e: null, seq: -1, cols: topic.table.columns, ids: [], v: topic.table.columns.map(() => []) });
    topic.isSynced = false;
    topic.refusal = message.why;
    return { send: [], events: [{ kind: "reset", topic: message.t }, { kind: "refused", topic: message.t, why: message.why }] };
  }

  #unsync(name) {
    const topic = this.topics.get(name);
    if (topic) topic.isSynced = false;
  }

  /** Nodes whose samples are newer than before. */
  #sampled(times) {
    const moved = Object.keys(times ?? {}).filter((node) => this.sampledAt[node] !== times[node]);
    Object.assign(this.sampledAt, times);
    return moved;
  }
}
