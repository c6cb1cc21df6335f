import { load } from './dist/index.js';
import { drawingPad } from './pad.js';
import { toImage } from './strokes.js';

const [pad, clear, best, seen, bars, status] = ['pad', 'clear', 'best', 'seen', 'bars', 'status'].map((id) =>
  document.getElementById(id),
);

const rows = Array.from({ length: 10 }, (_, digit) => {
  const row = document.createElement('li');
  const [name, bar, percent] = ['span', 'div', 'span'].map((tag) => row.appendChild(document.createElement(tag)));
  name.textContent = digit;
  percent.textContent = '0 %';
  bar.className = 'bar';
  const fill = bar.appendChild(document.createElement('span'));
  bars.append(row);
  return { row, fill, percent };
});

/** @param {ArrayLike<number>} [probabilities] None before there is a drawing. */
function show(probabilities) {
  const top = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
  const text = top < 0 ? '–' : String(top);
  // It is read aloud when it changes.
  if (best.textContent !== text) best.textContent = text;
  rows.forEach(({ row, fill, percent }, digit) => {
    const share = probabilities?.[digit] ?? 0;
    row.className = digit === top ? 'top' : '';
    fill.style.setProperty('--share', share);
    percent.textContent = `${Math.round(share * 100)} %`;
  });
}

/** @param {Float32Array} image @param {number} size */
function showSeen(image, size) {
  seen.width = seen.height = size;
  const pixels = new Uint8ClampedArray(4 * size * size).map((_, i) => (i % 4 === 3 ? 255 : 255 * image[i >> 2]));
  seen.getContext('2d').putImageData(new ImageData(pixels, size), 0, 0);
}

let model;
let strokes = [];
let waiting = false;

/** Once per frame is enough, however fast the strokes come. */
function update() {
  if (waiting || !model) return;
  waiting = true;
  requestAnimationFrame(async () => {
    waiting = false;
    const [, size] = model.inputs[0].shape;
    const image = toImage(strokes, size);
    showSeen(image, size);
    show(strokes.length ? (await model.predict(image)).digit : undefined);
  });
}

const { clear: wipe } = drawingPad(pad, (drawn) => {
  strokes = drawn;
  update();
});
clear.addEventListener('click', wipe);
showSeen(new Float32Array(64), 8);

try {
  model = await load(undefined, {
    onProgress: ({ loaded, total }) => (status.textContent = `Loading the model… ${Math.round((loaded / total) * 100)} %`),
  });
  status.textContent = 'Your drawing never leaves this page.';
  update();
} catch (error) {
  status.textContent = error.message;
  status.className = 'failed';
}
