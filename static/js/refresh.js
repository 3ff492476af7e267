// [data-refresh="2"]: a region of a page whose rows no topic carries, read again every so many seconds while somebody looks.
import { live } from "./live.js";
import { want } from "./regions.js";

export function attach(region) {
  const every = Number(region.dataset.refresh) * 1000;
  const timer = setInterval(() => {
    if (!region.isConnected) clearInterval(timer);
    else if (!document.hidden && !live.paused) want(region);
  }, every);
}
