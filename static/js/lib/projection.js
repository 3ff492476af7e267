// Where a line goes on between two slopes.

const AHEAD = 0.3;
const STEPS = 6;

/** Columns [times, values, ahead, least, most] of {points: [[at, value]], rate, low, high, ended}; what is over has nothing ahead. */
export function projected({ points, rate, low, high, ended }) {
  const times = points.map(([at]) => at);
  const values = points.map(([, value]) => value);
  const least = points.map(() => null);
  const most = points.map(() => null);
  const goesOn = points.map(() => null);
  if (points.length < 2 || (ended !== null && ended !== undefined)) return [times, values, goesOn, least, most];
  const [last, now] = points.at(-1);
  const reach = Math.max(20, (last - Math.max(times[0], last - 600)) * AHEAD);
  goesOn[goesOn.length - 1] = now;
  least[least.length - 1] = now;
  most[most.length - 1] = now;
  for (let step = 1; step <= STEPS; step += 1) {
    const ahead = (reach * step) / STEPS;
    times.push(last + ahead);
    values.push(null);
    goesOn.push(now + rate * ahead);
    least.push(now + low * ahead);
    most.push(now + high * ahead);
  }
  return [times, values, goesOn, least, most];
}
