// A sparkline: sixty points in 20 pixels of height. Draws on any 2d context, so it is tested without a page.

/** The line of a ring in `width` x `height` CSS pixels; a gap is a broken line. Returns the range it used, or null. */
export function drawSpark(context, ring, { width, height, colour, range = null, fromZero = false, ticks = [] }) {
  context.clearRect(0, 0, width, height);
  const [low, high] = spanOf(range ?? ring.range(), fromZero);
  if (low === null) return null;
  const step = (width - 4) / Math.max(1, ring.capacity - 1);
  const left = width - 3 - (ring.length - 1) * step;
  const y = (value) => height - 2 - ((value - low) / (high - low)) * (height - 4);
  context.strokeStyle = colour;
  context.lineWidth = 1.25;
  context.lineJoin = "round";
  context.beginPath();
  let drawing = false;
  for (let at = 0; at < ring.length; at += 1) {
    const value = ring.at(at);
    if (Number.isNaN(value)) {
      drawing = false;
    } else if (drawing) {
      context.lineTo(left + at * step, y(value));
    } else {
      context.moveTo(left + at * step, y(value));
      drawing = true;
    }
  }
  context.stroke();
  for (const at of ticks) context.fillRect(Math.round(left + at * step), 0, 1, height); // a restart
  if (!Number.isNaN(ring.last)) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(width - 3, y(ring.last), 1.75, 0, 2 * Math.PI);
    context.fill();
  }
  return [low, high];
}

/** A flat line stands in the middle; a line from zero stands at the bottom when it is zero. */
function spanOf(range, fromZero) {
  if (!range) return [null, null];
  let [low, high] = range;
  if (fromZero) low = Math.min(0, low);
  if (high - low < Math.abs(high) * 0.02 || high === low) {
    const margin = Math.abs(high) * 0.05 || 1;
    if (!fromZero) low -= margin;
    high += margin;
  }
  return [low, high];
}
