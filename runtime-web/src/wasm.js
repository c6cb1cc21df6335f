// The wasm backend: one memory with the weights and every tensor, one module that computes in it.

import { because, BundleError } from './source.js';
import { read, viewOf, write } from './tensor.js';

/** @import { Bundle, Engine } from '../internal.js' */

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
 * @returns {Promise<Engine>}
 */
export async function openWasm(bundle) {
  const { url, manifest } = bundle;
  const { prepare, weights } = manifest;
  const steps = prepare + manifest.steps;
  const { relaxed, baseline } = manifest.backends.wasm ?? {};
  const module = relaxed && WebAssembly.validate(relaxedProbe) ? 'relaxed' : 'baseline';
  const code = module === 'relaxed' ? relaxed : baseline;
  if (!code) throw new BundleError(url, 'names no wasm module; compile the model anew');
  bundle.expect([code, ...weights.shards]);

  const memory = allocate(bundle);
  const { inputs, outputs, shards } = layOut(bundle, memory.buffer);

  let idle = true;
  const start = async () => {
    const instance = await WebAssembly.instantiate(await bundle.compile(code), { env: { memory } });
    const run = /** @type {(begin: number, end: number) => void} */ (instance.exports.run);
    // Half-read weights may make it fail, a real run will tell.
    inSlices(run, prepare, steps, () => idle && !bundle.stopped.aborted).catch(() => {});
    return run;
  };
  const [run] = await Promise.all([start(), ...shards.map(({ name, place }) => bundle.fill(name, place))]);
  await inSlices(run, 0, prepare, () => !bundle.stopped.aborted);

  /** @type {(values: Parameters<Engine['predict']>[0]) => void} */
  const take = (values) => {
    idle = false;
    inputs.forEach(({ slot, view }, i) => write(view, /** @type {typeof values[0]} */ (values[i]), slot));
  };
  return {
    module,
    predict(values) {
      take(values);
      run(prepare, steps);
      return Object.fromEntries(outputs.map(({ slot, view }) => [slot.name, read(view, slot)]));
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

/** @param {Bundle} bundle */
function allocate({ url, manifest: { memory: { pages } } }) {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    throw new BundleError(url, `the model needs ${Math.ceil(pages / 16)} MiB of memory, which are not to be had here`, cause);
  }
}

/** The views of the inputs, outputs and weights. @param {Bundle} bundle @param {ArrayBuffer} buffer */
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
 * the model runs once on what is in memory, zeros at first, until somebody asks for a prediction: engines start with
 * slow code and replace it as functions are used.
 * @param {(begin: number, end: number) => void} run
 * @param {number} step
 * @param {number} end
 * @param {() => boolean} wanted
 */
async function inSlices(run, step, end, wanted) {
  while (step < end) {
    await new Promise((resolve) => setTimeout(resolve));
    const until = performance.now() + SLICE;
    while (step < end && performance.now() < until) {
      if (!wanted()) return;
      run(step, ++step);
    }
  }
}
