import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed } from "../../static/js/lib/feed.js";

const snap = (seq = 5, e = "one") => ({ op: "snap", t: "procs", e, seq, cols: ["key", "state"], ids: ["n:a"], v: [["a"], ["running"]], s: { n: 10 } });

function synced() {
  const feed = new Feed({ procs: { cols: ["key", "state"], filter: "tree:a" } });
  feed.handle(snap(), 4);
  return feed;
}

test("hello is answered with what is wanted, and nothing is claimed to be held", () => {
  const feed = new Feed({ procs: { cols: ["key", "state"], filter: "tree:a" }, summary: {} });
  const { send } = feed.handle({ op: "hello", epoch: "one", at: 1, user: "ada" }, 4);
  assert.deepEqual(send, [{ op: "sub", hz: 4, topics: { procs: { cols: ["key", "state"], filter: "tree:a" }, summary: {} } }]);
});

test("after a lost connection it goes on from where it was", () => {
  const feed = synced();
  const { send } = feed.handle({ op: "hello", epoch: "one" }, 1);
  assert.deepEqual(send[0].topics.procs, { cols: ["key", "state"], filter: "tree:a", since: 5, epoch: "one" });
});

test("a frame is applied, acknowledged and told, with the nodes that were sampled", () => {
  const feed = synced();
  const { send, events } = feed.handle({ t: "procs", e: "one", a: 5, b: 7, u: [["n:a", 2, "backoff"]], d: [], s: { n: 11 } }, 4);
  assert.deepEqual(send, [{ op: "ack", t: "procs", b: 7 }]);
  assert.deepEqual(events, [{ kind: "frame", topic: "procs", sampled: ["n"], changed: [[0, 2]], added: [], removed: [] }]);
  assert.equal(feed.tableOf("procs").row("n:a").state, "backoff");
});

test("a gap asks once for everything and keeps what is shown", () => {
  const feed = synced();
  const first = feed.handle({ t: "procs", e: "one", a: 9, b: 10, u: [], d: [] }, 4);
  assert.equal(first.send[0].topics.procs.since, undefined);
  assert.deepEqual(feed.handle({ t: "procs", e: "one", a: 10, b: 11, u: [], d: [] }, 4).send, []);
  assert.equal(feed.tableOf("procs").size, 1);
  assert.equal(feed.handle(snap(11), 4).events[0].kind, "reset");
  assert.equal(feed.handle({ t: "procs", e: "one", a: 11, b: 12, u: [], d: ["n:a"] }, 4).events[0].removed[0], "n:a");
});

test("gone keeps the rows, a permission taken away removes them", () => {
  const feed = synced();
  feed.handle({ op: "gone", t: "procs" }, 4);
  assert.equal(feed.tableOf("procs").size, 1);
  feed.handle(snap(20, "two"), 4);
  const { events } = feed.handle({ op: "unsubbed", t: "procs", why: "revoked" }, 4);
  assert.equal(feed.tableOf("procs").size, 0);
  assert.deepEqual(events.map((event) => event.kind), ["reset", "refused"]);
});

test("ages arrive with beats, and words of a newer server are passed over", () => {
  const feed = synced();
  feed.handle({ op: "beat", at: 3, ages: { rows: 0.5, samples: null } }, 4);
  assert.deepEqual(feed.ages, { rows: 0.5, samples: null });
  assert.deepEqual(feed.handle({ op: "news" }, 4), { send: [], events: [] });
  assert.deepEqual(feed.handle({ t: "other", e: "one", a: 1, b: 2 }, 4), { send: [], events: [] });
});
