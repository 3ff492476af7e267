// [data-refresh="2"]: a region of a page whose rows no topic carries, read again every so many seconds while somebody looks.
// What could not be read again for three times as long, and ten seconds at least, says so and is dimmed.
import { duration } from "./lib/format.js";
import { live } from "./live.js";
import { want } from "./regions.js";

const PATIENCE_MS = 10_000;

export function attach(region) {
  const every = Number(region.dataset.refresh) * 1000;
  let waited = 0;
  region.addEventListener("overstory:read", () => {
    waited = 0;
    region.removeAttribute("data-old");
  });
  const timer = setInterval(() => {
    if (!region.isConnected) clearInterval(timer);
    else if (!document.hidden && !live.paused) {
      want(region);
      waited += every;
      if (waited > Math.max(3 * every, PATIENCE_MS)) region.dataset.old = duration(waited / 1000);
    }
  }, every);
}
