// Keys pressed one after the other: "g o" goes to the overview. Pure; the caller brings the clock.

export const PATIENCE_MS = 1200;

export class Chords {
  /** `bindings` maps "g o" or "j" to anything. */
  constructor(bindings) {
    this.bindings = bindings;
    this.held = [];
    this.heldAt = 0;
  }

  /** What was asked for when `key` was pressed at `now`, or undefined. */
  press(key, now) {
    if (now - this.heldAt > PATIENCE_MS) this.held = [];
    for (const chord of [[...this.held, key], [key]]) {
      const name = chord.join(" ");
      if (name in this.bindings) {
        this.held = [];
        return this.bindings[name];
      }
      if (Object.keys(this.bindings).some((known) => known.startsWith(`${name} `))) {
        this.held = chord;
        this.heldAt = now;
        return undefined;
      }
    }
    this.held = [];
    return undefined;
  }
}
