// [data-logs]: follows what many children write, on many nodes. The filter chooses them; each node is asked on its own what
// came behind the places that its last answer named, a few nodes at a time. Nothing but the last lines is kept.
import { FilterBox } from "./filterbox.js";
import { LogView } from "./logview.js";
import { make } from "./dom.js";
import { clock, count } from "./lib/format.js";
import { severityOf } from "./lib/loglines.js";
import { live } from "./live.js";
import { request } from "./pending.js";

const AT_ONCE = 4;
const LOOK_MS = 10_000; // for nodes and children that have come to match
const AGAIN_MS = 250; // the answer itself waits for something new
const AWAY_MS = 2000;
const BACK = 300; // a line that comes late is put in its place among so many

export function attach(panel) {
  new LogsView(panel);
}

class LogsView extends LogView {
  begin() {
    this.words = document.querySelector("[data-logs-words]");
    this.download = document.querySelector("[data-logs-download]");
    this.places = new Map(Object.entries(JSON.parse(document.querySelector("#log-places").textContent)));
    this.nodes = [...this.places.keys()];
    this.turn = 0;
    this.asking = new Set();
    this.filter = new FilterBox(document.querySelector('[data-filter="procs"]'), live.config.fields.procs, () => this.restart());
    this.look();
    for (let number = 0; number < AT_ONCE; number += 1) this.work();
  }

  get stream() {
    return this.panel.querySelector("[data-log-stream]").value;
  }

  changeStream() {
    const url = new URL(location.href);
    if (this.stream) url.searchParams.set("stream", this.stream);
    else url.searchParams.delete("stream");
    history.replaceState(null, "", url);
    this.restart();
  }

  /** Other children, or another stream: what is shown goes, and their last lines come. */
  restart() {
    this.life = (this.life ?? 0) + 1;
    this.places.clear();
    this.list.replaceChildren();
    this.none.hidden = false;
    const query = new URLSearchParams(location.search);
    query.set("download", "1");
    this.download.href = `?${query}`;
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.find(), 250);
  }

  async look() {
    while (this.panel.isConnected) {
      await pause(LOOK_MS);
      if (!document.hidden && this.isFollowing) await this.find();
    }
  }

  async find() {
    const answer = await this.question("");
    if (answer) this.say(answer);
  }

  say({ nodes, tailed, total }) {
    this.nodes = nodes;
    for (const node of this.places.keys()) if (!nodes.includes(node)) this.places.delete(node);
    const kind = total === 1 ? "child" : "children";
    this.words.textContent = tailed < total ? `${count(tailed)} of ${count(total)} children: the filter chooses which` : `${count(total)} ${kind}`;
  }

  /** One of a few that ask node after node. */
  async work() {
    while (this.panel.isConnected) {
      const node = document.hidden || !this.isFollowing ? null : this.nextNode();
      if (node === null) {
        await pause(AGAIN_MS);
        continue;
      }
      this.asking.add(node);
      const { life } = this;
      const answer = await this.question(node);
      this.asking.delete(node);
      if (answer && life === this.life) {
        this.places.set(node, answer.places);
        this.say(answer);
        this.append(answer.lines);
      }
      await pause(answer ? AGAIN_MS : AWAY_MS);
    }
  }

  nextNode() {
    for (let tried = 0; tried < this.nodes.length; tried += 1) {
      this.turn = (this.turn + 1) % this.nodes.length;
      const node = this.nodes[this.turn];
      if (!this.asking.has(node)) return node;
    }
    return null;
  }

  async question(node) {
    try {
      return await request(location.pathname, { q: this.filter.text, node, stream: this.stream, places: this.places.get(node) ?? {} });
    } catch {
      return null; // away, or the filter is half typed; it is asked again
    }
  }

  makeLine({ at, key, host, stream, text, url }) {
    return make(
      "li",
      { "data-stream": stream, "data-severity": severityOf(text), "data-at": at ?? 0 },
      make("time", {}, at ? clock(at * 1000) : ""),
      make("a", { class: "log-key clip", href: url, title: `${key} on ${host}` }, key),
      make("span", {}, text),
    );
  }

  /** Nodes answer when they like: what is older than the last lines goes before them. */
  place(fresh) {
    const lines = this.list.children;
    for (const line of fresh) {
      let before = lines.length;
      const least = Math.max(0, before - BACK);
      while (before > least && Number(lines[before - 1].dataset.at) > Number(line.dataset.at)) before -= 1;
      this.list.insertBefore(line, lines[before] ?? null);
    }
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
