// [data-log]: follows what a child writes, searches it, and shows what is bad.
//
// data-log-url answers {"lines": [{text, stream, at}], "next": cursor}, and waits a little for something new. It is asked
// while the log is followed and visible.
import { make } from "./dom.js";
import { clock } from "./lib/format.js";
import { finder, isAtLeast, pieces, severityOf } from "./lib/loglines.js";

const AGAIN_MS = 150; // the answer itself waits for something new
const AWAY_MS = 2000;
const KEPT = 5000;

export function attach(panel) {
  new LogView(panel);
}

export class LogView {
  constructor(panel) {
    this.panel = panel;
    this.body = panel.querySelector("[data-log-body]");
    this.list = this.body.querySelector("ol");
    this.fresh = panel.querySelector("[data-log-new]");
    this.search = panel.querySelector("[data-log-search]");
    this.severity = panel.querySelector("[data-log-severity]");
    this.follow = panel.querySelector("[data-log-follow]");
    this.none = panel.querySelector("[data-log-none]");
    for (const line of this.list.children) line.dataset.severity = severityOf(line.querySelector("span").textContent);
    this.listen();
    this.toEnd();
    this.begin();
  }

  begin() {
    this.url = this.panel.dataset.logUrl;
    if (this.url) this.ask();
  }

  get isFollowing() {
    return this.follow.getAttribute("aria-pressed") === "true";
  }

  listen() {
    this.follow.addEventListener("click", () => {
      this.setFollowing(!this.isFollowing);
      if (this.isFollowing) this.toEnd();
    });
    this.fresh.addEventListener("click", () => {
      this.setFollowing(true);
      this.toEnd();
    });
    this.body.addEventListener("scroll", () => {
      const atEnd = this.body.scrollHeight - this.body.scrollTop - this.body.clientHeight < 24;
      if (!atEnd && this.isFollowing && performance.now() > (this.movedAt ?? 0) + 150) this.setFollowing(false);
      if (atEnd) this.fresh.hidden = true;
    });
    this.search?.addEventListener("input", () => this.show());
    this.search?.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), this.jump(event.shiftKey ? -1 : 1)));
    this.severity?.addEventListener("change", () => this.show());
    this.panel.querySelector("[data-log-stream]").addEventListener("change", (event) => this.changeStream(event.target.form));
    this.panel.querySelector("[data-log-error]").addEventListener("click", () => {
      const errors = [...this.list.children].filter((line) => !line.hidden && isAtLeast(line.dataset.severity, "error"));
      this.reveal(errors.at(-1));
    });
  }

  changeStream(form) {
    form.requestSubmit();
  }

  setFollowing(following) {
    this.follow.setAttribute("aria-pressed", String(following));
  }

  toEnd() {
    this.movedAt = performance.now();
    this.body.scrollTop = this.body.scrollHeight;
    this.fresh.hidden = true;
  }

  /** Hide what is not asked for and mark what is. */
  show(lines = [...this.list.children]) {
    let find = null;
    try {
      find = finder(this.search?.value ?? "");
      this.search?.removeAttribute("aria-invalid");
    } catch {
      this.search?.setAttribute("aria-invalid", "true");
      return;
    }
    for (const line of lines) {
      const holder = line.querySelector("span");
      const text = holder.textContent;
      const parts = pieces(text, find);
      const matches = find === null || parts.some(([, isMatch]) => isMatch);
      line.hidden = !matches || !isAtLeast(line.dataset.severity, this.severity?.value);
      if (find || holder.firstElementChild) holder.replaceChildren(...parts.map(([piece, isMatch]) => (isMatch ? make("mark", {}, piece) : piece)));
    }
  }

  jump(step) {
    const found = [...this.list.querySelectorAll("li:not([hidden]):has(mark)")];
    if (found.length === 0) return;
    const at = found.findIndex((line) => line.classList.contains("found"));
    this.reveal(found[(at + step + found.length) % found.length]);
  }

  reveal(line) {
    if (!line) return;
    this.setFollowing(false);
    this.list.querySelector(".found")?.classList.remove("found");
    line.classList.add("found");
    line.scrollIntoView({ block: "center" });
  }

  async ask() {
    for (;;) {
      if (!this.panel.isConnected) return;
      const went = document.hidden || !this.isFollowing ? false : await this.read();
      await new Promise((resolve) => setTimeout(resolve, went ? AGAIN_MS : AWAY_MS));
    }
  }

  async read() {
    try {
      const url = new URL(this.url, location.href);
      if (this.next !== undefined) url.searchParams.set("after", this.next);
      const response = await fetch(url, { credentials: "same-origin", headers: { accept: "application/json" } });
      if (!response.ok) return false;
      const answer = await response.json();
      if (this.next === undefined && answer.lines) this.list.replaceChildren();
      this.next = answer.next ?? this.next;
      this.append(answer.lines ?? []);
      return true;
    } catch {
      return false; // away; it is asked again
    }
  }

  append(lines) {
    if (lines.length === 0) return;
    if (this.none) this.none.hidden = true;
    const fresh = lines.map((line) => this.makeLine(line));
    this.place(fresh);
    while (this.list.childElementCount > KEPT) this.list.firstElementChild.remove();
    this.show(fresh);
    if (this.isFollowing) this.toEnd();
    else this.fresh.hidden = false;
  }

  makeLine({ text, stream, at }) {
    return make("li", { "data-stream": stream, "data-severity": severityOf(text) }, make("time", {}, at ? clock(at * 1000) : ""), make("span", {}, text));
  }

  place(fresh) {
    this.list.append(...fresh);
  }
}
