// Pages of our own origin, read as documents.
import { policy } from "./trusted.js";

/** The document at an address of ours; scripts in it never run. Throws when it is another's or does not answer. */
export async function fetchDocument(url, options = {}) {
  const target = new URL(url, location.href);
  if (target.origin !== location.origin) throw new Error(`${target.origin} is not ours`);
  const response = await fetch(target, { credentials: "same-origin", headers: { accept: "text/html", "x-fragment": "1" }, ...options });
  const text = await response.text();
  const page = new DOMParser().parseFromString(policy.createHTML(text), "text/html");
  return { response, page };
}
