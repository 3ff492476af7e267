// The worker that draws the lines and numbers of the list's rows: for the page's own thread they cost more than all else that a
// frame brings.
import { SparkPaint } from "./lib/sparkpaint.js";

const paint = new SparkPaint();
let before = Promise.resolve();
addEventListener("message", ({ data }) => {
  before = before.then(() => (data.op === "load" ? load(data.font) : paint.handle(data)));
});

/** The page's type, which a worker has to load for itself. Where it does not come, the system's own is as good. */
async function load(font) {
  try {
    fonts.add(await new FontFace("Inter", `url(${font})`).load());
  } catch (error) {
    console.debug(error);
  }
}
