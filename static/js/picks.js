// Rows that are selected, and the bar that acts on them.
import { setText } from "./dom.js";
import { count } from "./lib/format.js";

export class Picks {
  /** bar: null where nobody may act. onChange(): other rows are selected now. */
  constructor(bar, onChange) {
    this.bar = bar;
    this.onChange = onChange;
    this.ids = new Set();
    bar?.querySelector("[data-bulk-clear]").addEventListener("click", () => this.clear());
    for (const button of bar?.querySelectorAll("button[value]") ?? []) button.addEventListener("click", () => this.act(button.value));
  }

  has(id) {
    return this.ids.has(id);
  }

  toggle(id) {
    if (!this.ids.delete(id)) this.ids.add(id);
    this.show();
  }

  clear() {
    this.ids.clear();
    this.show();
  }

  show() {
    if (this.bar) {
      this.bar.hidden = this.ids.size === 0;
      setText(this.bar.querySelector("[data-bulk-count]"), count(this.ids.size));
    }
    this.onChange();
  }

  async act(verb) {
    const url = new URL(this.bar.dataset.bulkUrl, location.href);
    url.searchParams.set("verb", verb);
    for (const id of this.ids) url.searchParams.append("id", id);
    const { openDialog } = await import("./dialogs.js");
    try {
      await openDialog(url.href);
    } catch {
      location.assign(url);
    }
  }
}
