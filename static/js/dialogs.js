// a[data-dialog], form[data-dialog]: the linked page opens in a dialog (or a drawer) instead of replacing this one.
//
// What is shown is the element [data-dialog-content] of that page. Without script, or when it cannot be read, the link is a link.
import { announce, make, symbol } from "./dom.js";
import { fetchDocument } from "./fragment.js";

export function attach(link) {
  link.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    link.setAttribute("aria-busy", "true");
    try {
      await openDialog(link.href, { drawer: link.dataset.dialog === "drawer" });
    } catch {
      location.assign(link.href);
    } finally {
      link.removeAttribute("aria-busy");
    }
  });
}

/** Show the content of a page of ours; throws when it has none. */
export async function openDialog(url, { drawer = false } = {}) {
  const { response, page } = await fetchDocument(url);
  const content = page.querySelector("[data-dialog-content]");
  if (!content) throw new Error(`no dialog in ${url} (${response.status})`);
  const copy = document.importNode(content, true);
  for (const form of copy.querySelectorAll("form[data-action]:not([action])")) form.dataset.url = new URL(url, location.href).href;
  if (drawer) copy.prepend(make("div", { class: "drawer-bar dialog-head" }, make("a", { class: "button quiet", href: url }, symbol("link"), "Open")));
  return showDialog(copy, { drawer });
}

/** A modal dialog around an element; it is gone when it closes. */
export function showDialog(content, { drawer = false } = {}) {
  document.querySelector("dialog[data-ours][open]")?.close();
  const heading = content.querySelector("h1, h2");
  if (heading) heading.id ||= "dialog-heading";
  const dialog = make("dialog", { class: drawer ? "drawer" : "dialog", "data-ours": true, "aria-labelledby": heading?.id });
  const close = make("button", { class: "button quiet square", type: "button", "aria-label": "Close" }, symbol("close"));
  close.addEventListener("click", () => dialog.close());
  content.querySelector(".dialog-head")?.append(close);
  dialog.append(content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.body.append(dialog);
  announce(dialog);
  dialog.showModal();
  return dialog;
}
