// Numbers on a canvas as CSS sets them with tabular-nums, which a canvas does not know: digits that stand below each other.

const PARTS = /[\d\u2007]|[^\d\u2007]+/g;
const DIGITS = "0123456789";
const ONE_DIGIT = /^[\d\u2007]$/;

export class Type {
  #widths = new Map();
  #digit = 0;
  #drop = 0;

  /** font: as CSS has it. */
  constructor(font) {
    this.font = font;
  }

  /** One line that ends at `right` and whose line box stands around `middle`, in the units of the context. */
  draw(context, text, { right, middle, colour }) {
    context.font = this.font;
    context.fillStyle = colour;
    if (this.#digit === 0) this.#measure(context);
    let left = right;
    for (const part of text.match(PARTS).reverse()) {
      const own = this.#widthOf(context, part);
      const width = ONE_DIGIT.test(part) ? this.#digit : own;
      left -= width;
      context.fillText(part, left + (width - own) / 2, middle + this.#drop);
    }
  }

  #measure(context) {
    this.#digit = Math.max(...[...DIGITS].map((digit) => this.#widthOf(context, digit)));
    const { fontBoundingBoxAscent: above, fontBoundingBoxDescent: below } = context.measureText(DIGITS);
    this.#drop = (above - below) / 2;
  }

  #widthOf(context, part) {
    if (!this.#widths.has(part)) this.#widths.set(part, context.measureText(part).width);
    return this.#widths.get(part);
  }
}
