// form[data-action]: an action is sent without leaving the page when its form stands in a dialog. Without script, and on the
// page of its own, the form posts and the server leads back.
import { showCommand } from "./pending.js";
import { toast } from "./toast.js";

export function attach(form) {
  const dialog = form.closest("dialog");
  if (!dialog) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter ?? form.querySelector("[type=submit]");
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      await send(form, dialog);
    } catch {
      toast("The server does not answer. Nothing was asked.", { tone: "crit" });
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
  });
}

async function send(form, dialog) {
  const action = form.getAttribute("action") || form.dataset.url || location.href;
  const response = await fetch(action, { method: "POST", body: new FormData(form), credentials: "same-origin", headers: { accept: "text/html" } });
  const landed = new URL(response.url);
  const id = landed.searchParams.get("command");
  if (!response.ok) {
    toast(response.status === 403 ? "Your role does not allow this." : `Refused (${response.status}).`, { tone: "crit" });
    return;
  }
  dialog.close();
  if (!id) {
    location.assign(landed); // nothing to follow here: the page that follows says what happened
    return;
  }
  const row = document.querySelector(`[data-id="${CSS.escape(`${form.dataset.node}:${form.dataset.key}`)}"] .state, [data-process="${CSS.escape(form.dataset.key)}"] .state`);
  showCommand({ id, verb: form.dataset.action, element: row ?? null });
}

