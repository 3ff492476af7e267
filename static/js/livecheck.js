// form[data-live-check]: what is typed is sent to the server a moment later, as its Check button would, and what the server
// says replaces [data-check] and [data-check-summary]. An answer to what is no longer there is dropped.
import { fetchDocument } from "./fragment.js";

const QUIET_MS = 400;

export function attach(form) {
  const area = form.querySelector("textarea");
  if (area.readOnly) return;
  let timer = null;
  let asked = null;

  const check = async () => {
    asked?.abort();
    const asking = (asked = new AbortController());
    const body = new URLSearchParams(new FormData(form));
    body.set("do", "check");
    try {
      const { page } = await fetchDocument(location.href, { method: "POST", body, signal: asking.signal });
      if (asking !== asked) return;
      for (const selector of ["[data-check]", "[data-check-summary]"]) {
        const fresh = page.querySelector(selector);
        if (fresh) form.querySelector(selector).replaceChildren(...document.importNode(fresh, true).childNodes);
      }
    } catch {
      // the server is away, or a newer question took its place; the Check button asks again
    }
  };
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, QUIET_MS);
  });
}
