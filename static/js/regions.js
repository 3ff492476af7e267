// [data-live-region]: parts that the server renders. When their topic changes, this page is read again and the parts are
// replaced, at most once each second; all regions that want it share one request.
import { announce } from "./dom.js";
import { fetchDocument } from "./fragment.js";
import { live } from "./live.js";

const GAP_MS = 1000;
const wanted = new Set();
let timer = null;
let readAt = -Infinity;

export function attach(region) {
  if (region.closest("dialog")) return; // what is refreshed is this page, not one that it shows
  const columns = region.dataset.liveColumns?.split(",");
  live.watch(region.dataset.liveTopic, (event, table) => {
    if (event.kind === "frame" && isAbout(event, table, columns)) want(region);
    else if (event.kind === "reset") {
      // the first rows are what the page already shows; after a lost connection they may be others
      if (region.dataset.seen) want(region);
      region.dataset.seen = "1";
    }
  });
}

function isAbout(event, table, columns) {
  if (event.added.length > 0 || event.removed.length > 0) return true;
  if (!columns) return event.changed.length > 0;
  return event.changed.some(([, mask]) => table.touches(mask, columns));
}

/** Have `region` read again soon, with whatever else wants it. */
export function want(region) {
  wanted.add(region);
  timer ??= setTimeout(refresh, Math.max(0, readAt + GAP_MS - performance.now()));
}

async function refresh() {
  const regions = [...wanted].filter((region) => region.isConnected);
  wanted.clear();
  readAt = performance.now();
  try {
    const { response, page } = await fetchDocument(location.href);
    if (response.ok) {
      for (const region of regions) {
        replace(region, page);
        region.dispatchEvent(new CustomEvent("overstory:read"));
      }
    }
  } catch {
    regions.forEach((region) => wanted.add(region)); // the server is away; the pill says so
  }
  timer = null;
  if (wanted.size > 0) timer = setTimeout(refresh, GAP_MS * 3);
}

function replace(region, page) {
  if (region.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return;
  const fresh = page.querySelector(`[data-live-region="${CSS.escape(region.dataset.liveRegion)}"]`);
  if (!fresh || fresh.innerHTML === region.innerHTML) return;
  const focus = document.activeElement?.matches("a[href]") && region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  region.replaceChildren(...document.importNode(fresh, true).childNodes);
  if (focus) [...region.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === focus)?.focus();
  announce(region);
}
