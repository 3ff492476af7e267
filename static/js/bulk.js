// One command for many processes: what it reaches is shown first, it goes in stages, and it stops at the first failure.
import { make, stateElement, symbol } from "./dom.js";
import { showDialog } from "./dialogs.js";
import { follow, request } from "./pending.js";
import { count } from "./lib/format.js";
import { toast } from "./toast.js";

const SHOWN = 100;
const ASKED = 30;
const STAGES = [
  ["5", "five at a time"],
  ["1", "one after the other"],
  ["all", "all at once"],
];

/** rows: [{id, key, node, state}]; url: where commands are posted. */
export function openBulk({ verb, rows, url, onDone }) {
  if (rows.length === 0) return;
  const title = `${verb[0].toUpperCase()}${verb.slice(1)} ${count(rows.length)} ${rows.length === 1 ? "process" : "processes"}?`;
  const reach = make("p", { class: "text-2", role: "status" }, "Asking what this reaches…");
  const list = make("ul", { class: "impact", tabindex: "0", "aria-label": "Selected" }, ...rows.slice(0, SHOWN).map((row) => make("li", {}, stateElement(row.state), make("span", { class: "clip" }, row.key), make("span", { class: "does" }, row.host ?? row.node))));
  const more = rows.length > SHOWN ? make("p", { class: "text-3" }, `and ${count(rows.length - SHOWN)} more`) : null;
  const stage = make("select", { id: "bulk-stage", name: "stage" }, ...STAGES.map(([value, words]) => make("option", { value }, words)));
  const reason = make("input", { id: "bulk-reason", maxlength: "500", autocomplete: "off" });
  const go = make("button", { class: `button main${verb === "stop" ? " danger" : ""}`, type: "submit" }, title.split(" ")[0]);
  const progress = make("p", { class: "text-2", role: "status" });
  const bar = make("progress", { class: "progress", max: rows.length, value: 0, hidden: true, "aria-label": "Done" });
  const cancel = make("button", { class: "button", type: "button", "data-close": true }, "Cancel");
  const field = (label, control) => make("div", { class: "field" }, make("label", { for: control.id }, label), control);
  const form = make(
    "form",
    {},
    make("div", { class: "dialog-head" }, make("h2", {}, title)),
    make("div", { class: "dialog-body" }, reach, list, more, field("In stages, stopping at the first failure", stage), field("Reason, for the audit log", reason), bar, progress),
    make("div", { class: "dialog-foot" }, cancel, go),
  );
  const dialog = showDialog(make("div", {}, form));
  let wanted = true;
  dialog.addEventListener("close", () => (wanted = false)); // whoever closes it wants no further stage
  askReach({ verb, rows, url, reach });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    go.setAttribute("aria-busy", "true");
    const size = stage.value === "all" ? rows.length : Number(stage.value);
    cancel.textContent = "Stop after this stage";
    bar.hidden = false;
    const say = (done) => {
      bar.value = done;
      progress.textContent = `${count(done)} of ${count(rows.length)} done`;
    };
    const failure = await run({ verb, rows, url, size, reason: reason.value, say, goesOn: () => wanted });
    if (failure) {
      cancel.textContent = "Close";
      if (!wanted) toast(failure, { tone: "warn", forMs: 10_000 });
      progress.replaceChildren(symbol("state-crit", "glyph tone-crit"), ` ${failure}`);
      progress.className = "line";
      go.remove();
      return;
    }
    dialog.close();
    toast(`${title.replace("?", "")}: done`);
    onDone();
  });
}

/** What the strategies take down with it, asked without doing anything. */
async function askReach({ verb, rows, url, reach }) {
  try {
    const answers = await Promise.all(rows.slice(0, ASKED).map(({ key, node }) => request(url, { verb, key, node, dry_run: true })));
    const keys = new Set(answers.flatMap(({ reach: one }) => one?.keys ?? []));
    const others = [...keys].filter((key) => !rows.some((row) => row.key === key));
    const some = rows.length > ASKED ? ` (of the first ${ASKED})` : "";
    reach.textContent = others.length === 0 ? `Nothing beside them is touched${some}.` : `Their supervisors' strategies take ${count(others.length)} more with them${some}: ${others.slice(0, 4).join(", ")}${others.length > 4 ? "…" : ""}`;
  } catch {
    reach.textContent = "What this reaches could not be asked.";
  }
}

/** null when all went well, else words about the first failure. */
async function run({ verb, rows, url, size, reason, say, goesOn }) {
  for (let at = 0; at < rows.length; at += size) {
    if (!goesOn()) return `Stopped after ${count(at)} of ${count(rows.length)}, as you wished.`;
    say(at);
    const ends = await Promise.all(rows.slice(at, at + size).map((row) => one({ verb, row, url, reason })));
    const bad = ends.find((end) => end !== null);
    if (bad) return `Stopped after ${count(at)} of ${count(rows.length)}: ${bad}`;
  }
  return null;
}

async function one({ verb, row, url, reason }) {
  try {
    const { operations } = await request(url, { verb, key: row.key, node: row.node, reason });
    const ends = await Promise.all(operations.map(({ id }) => follow(id, { patienceMs: 20_000 })));
    const bad = ends.find(({ state }) => state !== "done");
    return bad ? `${row.key}: ${bad.error?.detail ?? bad.state}` : null;
  } catch (error) {
    return `${row.key}: ${error.message}`;
  }
}
