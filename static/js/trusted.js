// The one Trusted Types policy: what may become markup or a worker's script.

/** The address, when it is one of ours; throws otherwise. */
function ours(url) {
  const target = new URL(url, location.href);
  if (target.origin !== location.origin) throw new Error(`${target.origin} is not ours`);
  return target.href;
}

const rules = { createHTML: (text) => text, createScriptURL: ours };

/** createHTML(text): of a page of ours, to be parsed as a document; createScriptURL(url): of our own origin. */
export const policy = globalThis.trustedTypes?.createPolicy("overstory", rules) ?? rules;
