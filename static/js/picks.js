// Rows that are selected, and the bar that acts on them.
import { setText } from "./dom.js";
import { count } from "./lib/format.js";

export class Picks {
  /** bar: null where nobody may act. onChange(): other rows are selected now. rowOf(id): {id, key, node, state}. */
  constructor(bar, { onChange, rowOf }) {
    this.bar = bar;
    this.rowOf = rowOf;
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

  /** Every one of `ids`, or none when they all are selected. */
  toggleAll(ids) {
    if (this.holds(ids)) for (const id of ids) this.ids.delete(id);
    else for (const id of ids) this.ids.add(id);
    this.show();
  }

  /** Whether all of `ids` are selected. */
  holds(ids) {
    return ids.length > 0 && ids.every((id) => this.ids.has(id));
  }

  show() {
    if (this.bar) {
      this.bar.hidden = this.ids.size === 0;
      setText(this.bar.querySelector("[data-bulk-count]"), count(this.ids.size));
    }
    this.onChange();
  }

  async act(verb) {
    const { openBulk } = await import("./bulk.js");
    openBulk({ verb, rows: [...this.ids].map(this.rowOf).filter(Boolean), url: this.bar.dataset.bulkUrl, onDone: () => this.clear() });
  }
}
