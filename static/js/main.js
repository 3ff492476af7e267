// The one script of a page: marks that script runs, then attaches what the page asks for.
import { attachAll } from "./attach.js";
import { root } from "./dom.js";
import { listenForKeys } from "./keys.js";

root.dataset.js = "";
listenForKeys();
document.addEventListener("overstory:attach", (event) => attachAll(event.detail));
await attachAll();
