// [data-live-pill]: says whether what is shown is current, and pauses it.
import { root, setAttribute, setText, symbol } from "./dom.js";
import { duration } from "./lib/format.js";
import { live } from "./live.js";

const TONES = { wait: "busy", live: "ok", stale: "warn", paused: "held", off: "crit" };

export function attach(pill) {
  const words = pill.querySelector("[data-live-words]");
  const show = () => {
    setAttribute(pill, "data-live", live.state);
    setAttribute(pill, "title", live.state === "paused" ? "Resume (space)" : "Pause (space)");
    setAttribute(pill, "aria-pressed", String(live.paused));
    const tone = TONES[live.state];
    const svg = pill.querySelector("svg");
    if (svg.dataset.tone !== tone) {
      const fresh = symbol(`state-${tone}`, `glyph tone-${tone === "held" ? "idle" : tone}${tone === "busy" ? " turns" : ""}`);
      fresh.dataset.tone = tone;
      svg.replaceWith(fresh);
    }
    const age = live.age();
    const old = live.state === "stale" && age !== null && age >= 2 ? ` ${duration(age)}` : "";
    setText(words, live.why + old);
    setAttribute(root, "data-live-state", live.state);
  };
  pill.addEventListener("click", () => live.setPaused(!live.paused));
  live.addEventListener("state", show);
  live.addEventListener("tick", show);
  show();
}
