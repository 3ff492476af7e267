// The worker that draws the lines of the list's rows: for the page's own thread they cost more than all else that a frame brings.
import { SparkPaint } from "./lib/sparkpaint.js";

const paint = new SparkPaint();
addEventListener("message", ({ data }) => paint.handle(data));
