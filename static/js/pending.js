// Commands that were asked for and are not confirmed yet. A page that was opened with ?command=ID, or a form that was sent
// from a dialog, shows "stopping…" until the change arrives, the command says how it ended, or five seconds have passed.
import { address, setState } from "./dom.js";
import { toast } from "./toast.js";

const WORDS = { stop: "stopping…", terminate: "stopping…", start: "starting…", restart: "restarting…", hold: "holding…", release: "releasing…", reload: "reloading…", signal: "signalling…" };
const PATIENCE_MS = 5000;
const EVERY_MS = 400;

/** POST to REST as the person who is logged in; throws with the problem's own words. */
export async function request(url, body) {
  const token = document.querySelector('input[name="csrfmiddlewaretoken"]')?.value ?? "";
  const headers = { "content-type": "application/json", accept: "application/json", "x-csrftoken": token, "idempotency-key": newKey() };
  const response = await fetch(url, { method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body) });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? `refused (${response.status})`);
  return answer;
}

/** Follow a command to its end: "done", "failed", "expired", or "unknown" when nothing was heard in time. */
export async function follow(id, { patienceMs = PATIENCE_MS } = {}) {
  const until = performance.now() + patienceMs;
  while (performance.now() < until) {
    const wait = Math.max(1, Math.round((until - performance.now()) / 1000));
    try {
      const response = await fetch(address(`api/v1/operations/${encodeURIComponent(id)}?wait=${wait}`), { credentials: "same-origin", headers: { accept: "application/json" } });
      if (response.ok) {
        const command = await response.json();
        if (["done", "failed", "expired"].includes(command.state)) return command;
      }
    } catch {
      // the server is away; the next question may reach it
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  return { state: "unknown" };
}

/** Show a command on a state element, and say how it ended. */
export async function showCommand({ id, verb, element }) {
  const before = element?.dataset.known ?? element?.dataset.state;
  if (element) setState(element, before, { pending: WORDS[verb] ?? "asked…" });
  const command = await follow(id);
  if (element?.isConnected) setState(element, element.dataset.known ?? before);
  if (command.state === "done") toast(`${command.verb ?? verb} done`, { forMs: 2500 });
  else if (command.state === "failed") toast(`Failed: ${command.error?.detail ?? command.error?.message ?? "the node gave no reason"}`, { tone: "crit" });
  else if (command.state === "expired") toast("Not done: the node did not take it in time.", { tone: "crit" });
  else toast("Not confirmed. It may still happen; the page shows what is.", { tone: "warn", forMs: 10_000 });
}

/** Take up the command in this page's address, once. */
export function settle(element) {
  const url = new URL(location.href);
  const id = url.searchParams.get("command");
  if (!id) return;
  const verb = url.searchParams.get("verb") ?? "command";
  url.searchParams.delete("command");
  url.searchParams.delete("verb");
  history.replaceState(null, "", url);
  showCommand({ id, verb, element });
}

/** A key of our own: crypto.randomUUID is missing where a page came by plain HTTP from another host. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
