// Turns strokes into the picture that scikit-learn's digits are: 32x32 black and white, counted in blocks of 4x4.
// There every digit fills the height, takes up to three quarters of the width, and covers about 30 % of the picture.

const BLOCK = 4;
const HEIGHT = 0.76;
const WIDTH = 0.56;
const INK = 0.3;

/**
 * @param {[number, number][][]} strokes Points of each stroke, in any unit.
 * @param {number} size Rows and columns of the picture.
 * @returns {Float32Array} Row by row, 0 without ink to 1 with.
 */
export function toImage(strokes, size) {
  const image = new Float32Array(size * size);
  const segments = normalise(strokes);
  if (segments.length === 0) return image;
  const side = size * BLOCK;
  const distances = distancesTo(segments, side);
  // The pen is as wide as it takes to cover that share.
  const radius = distances.slice().sort()[Math.floor(INK * distances.length)];
  distances.forEach((distance, i) => {
    if (distance > radius) return;
    const [row, column] = [Math.floor(i / side / BLOCK), Math.floor((i % side) / BLOCK)];
    image[row * size + column] += 1 / BLOCK ** 2;
  });
  return image;
}

/** The segments of the strokes, centred in the unit square; too wide a digit is squeezed. */
function normalise(strokes) {
  const points = strokes.flat();
  const [left, right] = range(points.map(([x]) => x));
  const [top, bottom] = range(points.map(([, y]) => y));
  const [width, height] = [right - left, bottom - top];
  // A line that lies stays low, and a dot is a dot.
  const scaleY = HEIGHT / Math.max(height, width / 3, 1e-6);
  const scaleX = Math.min(scaleY, WIDTH / Math.max(width, 1e-6));
  const place = ([x, y]) => [
    0.5 + (x - (left + right) / 2) * scaleX,
    0.5 + (y - (top + bottom) / 2) * scaleY,
  ];
  return strokes.flatMap((stroke) => {
    const placed = stroke.map(place);
    return placed.map((point, i) => [...placed[Math.max(i - 1, 0)], ...point]);
  });
}

const range = (values) => [Math.min(...values), Math.max(...values)];

/** From the middle of each of side x side squares to the nearest segment, squared. */
function distancesTo(segments, side) {
  const distances = new Float32Array(side * side).fill(Infinity);
  for (const [x0, y0, x1, y1] of segments) {
    const dx = x1 - x0;
    const dy = y1 - y0;
    const length = dx * dx + dy * dy || 1;
    for (let i = 0; i < distances.length; i++) {
      const x = ((i % side) + 0.5) / side - x0;
      const y = (Math.floor(i / side) + 0.5) / side - y0;
      const along = Math.min(Math.max((x * dx + y * dy) / length, 0), 1);
      distances[i] = Math.min(distances[i], (x - along * dx) ** 2 + (y - along * dy) ** 2);
    }
  }
  return distances;
}
