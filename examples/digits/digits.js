import { load } from './dist/index.js';
import { drawingPad } from './pad.js';
import { toImage } from './strokes.js';

const [pad, clear, best, seen, bars, backends, status] = ['pad', 'clear', 'best', 'seen', 'bars', 'backends', 'status'].map(
  (id) => document.getElementById(id),
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
let changed = false;
let waiting = false;

/** Once per frame is enough, however fast the strokes come, and one prediction after the other. */
function update() {
  changed = true;
  if (waiting || !model) return;
  waiting = true;
  requestAnimationFrame(async () => {
    changed = false;
    await predict(model);
    waiting = false;
    if (changed) update();
  });
}

/** @param {Awaited<ReturnType<typeof load>>} used */
async function predict(used) {
  const [, size] = used.inputs[0].shape;
  const image = toImage(strokes, size);
  showSeen(image, size);
  if (!strokes.length) return show();
  const begin = performance.now();
  const { digit } = await used.predict(image);
  showTime(used.backend, performance.now() - begin);
  show(strokes.length ? digit : undefined);
}

/** A choice for each backend, with the time of its latest predictions. */
const choices = Object.fromEntries(
  [['webgpu', 'WebGPU'], ['webgl', 'WebGL'], ['wasm', 'WebAssembly']].map(([backend, name]) => {
    const label = document.createElement('label');
    const choice = Object.assign(document.createElement('input'), { type: 'radio', name: 'backend', value: backend });
    const [text, time] = ['span', 'span'].map(() => document.createElement('span'));
    text.textContent = name;
    time.textContent = '–';
    label.append(choice, text, time);
    backends.append(label);
    choice.addEventListener('change', () => open(backend));
    return [backend, { choice, time, times: [] }];
  }),
);

/** The median of the latest, since a first prediction takes longer. @param {string} backend @param {number} ms */
function showTime(backend, ms) {
  const { time, times } = choices[backend];
  times.push(ms);
  if (times.length > 9) times.shift();
  const latest = [...times].sort((a, b) => a - b);
  time.textContent = `${latest[latest.length >> 1].toFixed(1)} ms`;
}

const { clear: wipe } = drawingPad(pad, (drawn) => {
  strokes = drawn;
  update();
});
clear.addEventListener('click', wipe);
showSeen(new Float32Array(64), 8);

/** What each backend has loaded, or is loading; its files are fetched when it is chosen. */
const models = new Map();

/** @param {'auto' | 'webgpu' | 'webgl' | 'wasm'} backend */
async function open(backend) {
  const wanted = models.get(backend) ?? load(undefined, { backend, onProgress });
  models.set(backend, wanted);
  try {
    model = await wanted;
    models.set(model.backend, wanted);
    choices[model.backend].choice.checked = true;
    // Why it is not another one, in its own words.
    backends.title = model.fallbacks.join(' ');
    status.textContent = 'Your drawing never leaves this page.';
    status.className = '';
    update();
  } catch (error) {
    models.delete(backend);
    // The one that was there before goes on.
    if (model) choices[model.backend].choice.checked = true;
    status.textContent = error.message;
    status.className = 'failed';
  }
}

/** @param {{ loaded: number, total: number }} progress */
function onProgress({ loaded, total }) {
  status.textContent = `Loading the model… ${Math.round((loaded / total) * 100)} %`;
}

await open('auto');
