// The last n points of a series, without growing.

export class Ring {
  constructor(capacity) {
    this.capacity = capacity;
    this.points = new Float64Array(capacity).fill(NaN);
    this.length = 0;
    this.next = 0;
    this.pushed = 0;
  }

  /** null is a gap; it is drawn as one and never as zero. */
  push(value) {
    this.points[this.next] = value ?? NaN;
    this.next = (this.next + 1) % this.capacity;
    this.length = Math.min(this.length + 1, this.capacity);
    this.pushed += 1;
  }

  fill(values) {
    this.length = 0;
    this.next = 0;
    for (const value of values) this.push(value);
  }

  /** Oldest first; at(length - 1) is the newest. */
  at(position) {
    return this.points[(this.next - this.length + position + 2 * this.capacity) % this.capacity];
  }

  get last() {
    return this.length === 0 ? NaN : this.at(this.length - 1);
  }

  /** [smallest, largest] of what is known, or null. */
  range() {
    let low = Infinity;
    let high = -Infinity;
    for (let position = 0; position < this.length; position += 1) {
      const value = this.at(position);
      if (Number.isNaN(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return low <= high ? [low, high] : null;
  }
}
