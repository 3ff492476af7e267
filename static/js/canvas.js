// Canvases at the device's resolution, in the theme's colours.

/** A 2d context scaled so that units are CSS pixels, with its size; the element's own box decides. */
export function prepare(canvas, width = canvas.clientWidth, height = canvas.clientHeight) {
  const ratio = globalThis.devicePixelRatio || 1;
  const wide = Math.max(1, Math.round(width * ratio));
  const high = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

let palette = null;
document.addEventListener("overstory:theme", () => (palette = null));

/** The theme's colours by token name. */
export function colours() {
  if (!palette) {
    const style = getComputedStyle(document.documentElement);
    const names = ["bg", "panel", "line", "text", "text-2", "text-3", "accent", "ok", "busy", "warn", "crit", "idle"];
    palette = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  return palette;
}
