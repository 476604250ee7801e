// A small curve of the last half hour, or of what there is of it; gaps stay gaps.

const SPAN_MS = 30 * 60000;
// Fewer points are no curve.
const LEAST = 6;
const GAP_MS = 90000;

export function draw(canvas, trail, field, now) {
  const scale = Math.min(2, window.devicePixelRatio || 1);
  const width = Math.round((canvas.clientWidth || 150) * scale);
  const height = Math.round((canvas.clientHeight || 34) * scale);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  const points = trail.filter(([t, values]) => values[field] !== undefined && now - t < SPAN_MS);
  if (points.length < LEAST) return;
  let low = Infinity;
  let high = -Infinity;
  for (const [, values] of points) {
    low = Math.min(low, values[field]);
    high = Math.max(high, values[field]);
  }
  // A quiet sign stays a quiet line: noise of a beat or two must not fill the height.
  const middle = (low + high) / 2;
  const half = Math.max((high - low) / 2, 4) * 1.15;
  const begin = points[0][0];
  const x = (t) => ((t - begin) / Math.max(now - begin, 1)) * (width - 4 * scale);
  const y = (value) => height / 2 - ((value - middle) / half) * (height / 2 - 2 * scale);
  pen.lineWidth = 1.6 * scale;
  pen.lineJoin = "round";
  pen.strokeStyle = getComputedStyle(canvas).color;
  pen.beginPath();
  let before = 0;
  for (const [t, values] of points) {
    if (t - before > GAP_MS) pen.moveTo(x(t), y(values[field]));
    else pen.lineTo(x(t), y(values[field]));
    before = t;
  }
  pen.stroke();
  const [t, values] = points.at(-1);
  pen.fillStyle = pen.strokeStyle;
  pen.beginPath();
  pen.arc(x(t), y(values[field]), 2.2 * scale, 0, 7);
  pen.fill();
}
