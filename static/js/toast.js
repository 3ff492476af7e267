// Short messages in a corner, read out politely.
import { make, symbol } from "./dom.js";

let holder = null;

/** tone is "ok", "busy", "warn" or "crit". A failure stays until it is closed. */
export function toast(text, { tone = "ok", forMs = tone === "crit" ? 0 : 5000 } = {}) {
  holder ??= document.body.appendChild(make("div", { class: "toasts", role: "status", "aria-live": "polite" }));
  const close = make("button", { class: "button quiet square", type: "button", "aria-label": "Close" }, symbol("close"));
  const box = make("div", { class: `toast tone-${tone}` }, symbol(`state-${tone}`, "glyph"), make("div", {}, text), close);
  const remove = () => box.remove();
  close.addEventListener("click", remove);
  if (forMs > 0) setTimeout(remove, forMs);
  holder.append(box);
  while (holder.childElementCount > 4) holder.firstElementChild.remove();
  return { remove, say: (words) => (box.querySelector("div").textContent = words) };
}
