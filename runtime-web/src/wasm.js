// The wasm backend: one memory with the weights and every tensor, one module that computes in it.

import { awake } from './bundle.js';
import { because, BundleError } from './source.js';
import { readAll, viewOf, write } from './tensor.js';

/** @import { LoadOptions } from './index.js' */
/** @import { Bundle, Engine, Opened, Team } from './internal.js' */

/** (func (param v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))) */
const relaxedProbe = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version 1
  0x01, 0x06, 0x01, 0x60, 0x01, 0x7b, 0x01, 0x7b, // types: v128 to v128
  0x03, 0x02, 0x01, 0x00, // functions: one of that type
  0x0a, 0x0d, 0x01, 0x0b, 0x00, // code: 11 bytes without locals
  0x20, 0x00, 0x20, 0x00, 0x20, 0x00, 0xfd, 0x85, 0x02, 0x0b, // that body, end
]);

/** The longest slice of a run nobody waits for, in milliseconds: half a frame. */
const SLICE = 8;

/**
 * @param {Bundle} bundle
 * @param {LoadOptions} options
 * @param {Team} [team] The threads to run on, if there are to be several.
 * @returns {Promise<Engine>}
 */
export async function openWasm(bundle, { threads }, team) {
  const { url, manifest } = bundle;
  const { wasm } = manifest.backends;
  const { relaxed, baseline } = team?.modules ?? wasm ?? {};
  const fused = WebAssembly.validate(relaxedProbe);
  const module = relaxed && fused ? 'relaxed' : 'baseline';
  const code = module === 'relaxed' ? relaxed : baseline;
  if (!code) throw new BundleError(url, 'names no wasm module; compile the model anew');
  bundle.expect([code, ...manifest.weights.shards]);

  const memory = allocate(bundle, team);
  // Now, since browsers open few connections to a server, and the weights will take them all.
  team?.begin(memory);
  const places = layOut(bundle, memory.buffer);
  const opening = bundle.compile(code).then((module) => (team?.open ?? openAlone)(module, memory, places, bundle));
  try {
    const fills = places.shards.map(({ name, place }) => bundle.fill(name, place));
    const [engine] = await Promise.all([prepare(opening, fills, manifest.weights.ready), ...fills]);
    if (!fused) engine.fallbacks.push('Products are rounded before they are added, because this engine has no relaxed SIMD.');
    if (!wasm?.threads && Number(threads) > 1) {
      engine.fallbacks.push('There is one thread only, because the model was compiled with --threads off.');
    }
    return Object.assign(engine, { module: /** @type {Engine['module']} */ (module) });
  } catch (error) {
    team?.end(error);
    opening.then((engine) => engine.dispose(), () => {});
    throw error;
  }
}

/**
 * Prepares weights while others are on their way.
 * @param {Promise<Opened>} opening
 * @param {Promise<void>[]} fills
 * @param {number[]} ready
 */
async function prepare(opening, fills, ready) {
  const engine = await opening;
  let begin = 0;
  for (const [i, fill] of fills.entries()) {
    await fill;
    const end = ready[i] ?? begin;
    if (end > begin) await engine.prepare(begin, end);
    begin = end;
  }
  return engine;
}

/**
 * Runs the model on the caller's thread.
 * @type {Team['open']}
 */
export async function openAlone(module, memory, { inputs, outputs }, { manifest, stopped }) {
  const { prepare } = manifest;
  const end = prepare + manifest.steps;
  const instance = await awake(WebAssembly.instantiate(module, { env: { memory } }));
  const { run, warm } = /** @type {Record<'run' | 'warm', (begin: number, end: number) => void>} */ (instance.exports);
  let idle = true;
  // Half-read weights may make it fail, a real run will tell.
  const wanted = () => idle && !stopped.aborted;
  inSlices(warm, prepare, end, 'background', wanted).then(() => inSlices(run, prepare, end, 'background', wanted)).catch(() => {});

  /** @type {(values: Parameters<Engine['predict']>[0]) => void} */
  const take = (values) => {
    idle = false;
    inputs.forEach(({ slot, view }, i) => write(view, /** @type {typeof values[0]} */ (values[i]), slot));
  };
  return {
    threads: 1,
    fallbacks: [],
    prepare: (begin, end) => inSlices(run, begin, end, 'user-visible', () => !stopped.aborted),
    predict(values, out) {
      take(values);
      run(prepare, end);
      return readAll(outputs, out);
    },
    profile(values) {
      take(values);
      return Array.from({ length: manifest.steps }, (_, step) => {
        const begin = performance.now();
        run(prepare + step, prepare + step + 1);
        return { step, ms: performance.now() - begin };
      });
    },
    dispose() {
      idle = false;
    },
  };
}

/** @param {Bundle} bundle @param {Team} [team] */
export function allocate({ url, manifest }, team) {
  const pages = team?.pages ?? manifest.memory.pages;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: !!team });
  } catch (cause) {
    throw new BundleError(url, `the model needs ${Math.ceil(pages / 16)} MiB of memory, which are not to be had here`, cause);
  }
}

/** The views of the inputs, outputs and weights. @param {Bundle} bundle @param {ArrayBufferLike} buffer */
function layOut({ url, manifest }, buffer) {
  /** @param {typeof manifest.inputs} slots */
  const views = (slots) => slots.map((slot) => ({ slot, view: viewOf(buffer, slot) }));
  const { weights, files } = manifest;
  let at = weights.offset;
  try {
    const shards = weights.shards.map((name) => {
      const place = new Uint8Array(buffer, at, files[name]?.bytes);
      at += place.length;
      return { name, place };
    });
    return { inputs: views(manifest.inputs), outputs: views(manifest.outputs), shards };
  } catch (cause) {
    throw new BundleError(url, `contradicts itself (${because(cause)}); compile the model anew`, cause);
  }
}

/**
 * Runs steps in slices that leave room for frames and downloads, while they are wanted. So weights are prepared, and so
 * first a part of the work of each step and then all of it is done on what is in memory, zeros at first, until somebody
 * asks for a prediction: engines start with slow code and replace it as functions are used.
 * @param {(begin: number, end: number) => void} run
 * @param {number} step
 * @param {number} end
 * @param {'user-visible' | 'background'} priority
 * @param {() => boolean} wanted
 */
async function inSlices(run, step, end, priority, wanted) {
  const { scheduler, setImmediate } = /** @type {any} */ (globalThis);
  // A timer waits for 4 ms after a few turns.
  const turn = (/** @type {() => void} */ begin) =>
    scheduler?.postTask ? scheduler.postTask(begin, { priority }) : (setImmediate ?? setTimeout)(begin);
  while (step < end) {
    await new Promise((/** @type {(value?: undefined) => void} */ resolve) => turn(resolve));
    const until = performance.now() + SLICE;
    while (step < end && performance.now() < until) {
      if (!wanted()) return;
      run(step, ++step);
    }
  }
}
