// The sheet of every key there is. Each that stands alone can be another: "Change", and the keys that are pressed then.
import { address, make, setText } from "./dom.js";
import { showDialog } from "./dialogs.js";
import { bind, chosen, current, defaults, nameOf, places, reset } from "./keychoice.js";
import { MOST_KEYS, keyName } from "./lib/keymap.js";
import { PATIENCE_MS } from "./lib/chords.js";

const IN_LISTS = [["↑ ↓", "move"], ["Enter", "open"], ["x", "select"], ["Home End", "first, last"], ["← →", "fold, unfold (tree)"]];

export function showSheet() {
  new KeySheet();
}

class KeySheet {
  constructor() {
    this.rows = new Map();
    this.said = make("p", { class: "hint", role: "status" });
    this.everybodys = make("button", { class: "button quiet", type: "button" }, "Everybody's keys again");
    this.everybodys.addEventListener("click", () => {
      reset();
      this.say("Every key is as it comes.");
      this.show();
    });
    const body = make(
      "div",
      { class: "keys" },
      this.list("Go to", places().map(({ action }) => action)),
      make("div", { class: "stack" }, this.list("Everywhere", ["filter", "next", "previous", "pause", "help"], [["Ctrl K", "search and commands"]]), this.list("In lists", [], IN_LISTS)),
    );
    const off = make("p", { class: "hint" }, "Point at a key to change it; your own are kept in this browser. Single keys can be switched off in ", make("a", { href: address("settings") }, "settings"), ".");
    const foot = make("div", { class: "keys-foot" }, this.said, this.everybodys);
    const head = make("div", { class: "dialog-head" }, make("h2", {}, "Keyboard"));
    this.dialog = showDialog(make("div", {}, head, make("div", { class: "dialog-body" }, body, off, foot)));
    this.dialog.addEventListener("keydown", (event) => this.onKey(event), true);
    this.show();
  }

  list(title, actions, fixed = []) {
    const lines = [...fixed.map(([keys, words]) => [make("dt", {}, ...marks(keys)), make("dd", {}, words)]), ...actions.map((action) => this.row(action))];
    return make("section", { class: "stack" }, make("h3", {}, title), make("dl", {}, ...lines.flat()));
  }

  row(action) {
    const keys = make("dt", { "data-action": action });
    const change = make("button", { class: "key-change", type: "button", "aria-label": `Change the key of ${nameOf(action)}` }, "Change");
    change.addEventListener("click", () => this.listen(action));
    this.rows.set(action, { keys, change });
    return [keys, make("dd", {}, nameOf(action), change)];
  }

  show() {
    const map = current();
    const usual = defaults();
    for (const [action, { keys, change }] of this.rows) {
      keys.replaceChildren(...(map[action] ? marks(map[action]) : [make("span", { class: "text-3" }, "none")]));
      keys.toggleAttribute("data-own", map[action] !== usual[action]);
      setText(change, "Change");
      change.removeAttribute("aria-pressed");
    }
    this.everybodys.hidden = Object.keys(chosen()).length === 0;
  }

  say(words, isWrong = false) {
    setText(this.said, words);
    this.said.classList.toggle("error", isWrong);
  }

  listen(action) {
    this.stop();
    const { keys, change } = this.rows.get(action);
    this.wanted = { action, pressed: [] };
    setText(change, "Press keys");
    change.setAttribute("aria-pressed", "true");
    keys.replaceChildren(make("kbd", { class: "waits" }, "…"));
    this.say(`One key or two for ${nameOf(action)}. Backspace: none. Escape: as before.`);
  }

  stop() {
    clearTimeout(this.timer);
    this.wanted = null;
    this.show();
  }

  onKey(event) {
    if (!this.wanted || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = keyName(event.key);
    if (key === null || key === "Tab") return;
    event.preventDefault();
    event.stopPropagation();
    const { action, pressed } = this.wanted;
    if (key === "Escape") {
      this.stop();
      this.say("");
    } else if (key === "Backspace") {
      this.finish("");
    } else if (key === "Enter" && pressed.length > 0) {
      this.finish(pressed.join(" "));
    } else {
      pressed.push(key);
      this.rows.get(action).keys.replaceChildren(...marks(pressed.join(" ")));
      clearTimeout(this.timer);
      if (pressed.length === MOST_KEYS) this.finish(pressed.join(" "));
      else this.timer = setTimeout(() => this.finish(pressed.join(" ")), PATIENCE_MS);
    }
  }

  finish(keys) {
    const { action } = this.wanted;
    const why = bind(action, keys);
    this.stop();
    if (why) this.say(`${keys}: ${why}.`, true);
    else this.say(keys ? `${nameOf(action)}: ${keys}.` : `${nameOf(action)} has no key.`);
    this.rows.get(action).change.focus();
  }
}

const marks = (keys) => keys.split(" ").flatMap((key, at) => (at ? [" ", make("kbd", {}, key)] : [make("kbd", {}, key)]));

