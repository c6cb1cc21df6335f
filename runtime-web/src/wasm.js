// The wasm backend: one memory with the weights and every tensor, one module that computes in it.

import { awake } from './bundle.js';
// keras-compile: early {
import { inOrder } from './early.js';
// keras-compile: early }
import { listOf, object, optional, plainName, text, whole } from './manifest.js';
import { because, BundleError } from './source.js';
import { readAll, viewAt, write } from './tensor.js';

/** @import { LoadOptions, TensorData } from './index.js' */
/** @import { Address, Bundle, Check, Engine, Opened, Placed, Slot, Team, WasmSection } from './internal.js' */

/** (func (param v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))) */
const relaxedProbe = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version 1
  0x01, 0x06, 0x01, 0x60, 0x01, 0x7b, 0x01, 0x7b, // types: v128 to v128
  0x03, 0x02, 0x01, 0x00, // functions: one of that type
  0x0a, 0x0d, 0x01, 0x0b, 0x00, // code: 11 bytes without locals
  0x20, 0x00, 0x20, 0x00, 0x20, 0x00, 0xfd, 0x85, 0x02, 0x0b, // that body, end
]);

/** Bytes of a page of memory. */
export const PAGE = 65536;

const addresses = listOf(object({ storage: text, offset: whole }));
/** In whole pages. @type {Check} */
const memorySize = (value) => value > 0 && value % PAGE === 0;
/** Where in the first page of memory threads find their commands. @type {Check} */
const commandAddress = (value) => whole(value) && value % 4 === 0 && value < 65520;
const modules = { baseline: plainName, relaxed: optional(plainName) };
const threaded = { 'threads-baseline': optional(plainName), 'threads-relaxed': optional(plainName) };

/** What the section of the manifest is made of. */
export const checkWasm = object({
  code: object({ ...modules, ...threaded }),
  memory: memorySize,
  prepare: whole,
  inputs: addresses,
  outputs: addresses,
  weights: object({ offset: whole }),
  threads: optional(object({ scratch: whole, command: commandAddress, useful: whole })),
});

/** The section of the manifest; `load` has seen that it is there. @param {Bundle} bundle */
export const sectionOf = ({ manifest }) => /** @type {WasmSection} */ (manifest.backends.wasm);

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
  const wasm = sectionOf(bundle);
  const fused = WebAssembly.validate(relaxedProbe);
  const kind = team ? 'threads-' : '';
  const module = wasm.code[`${kind}relaxed`] && fused ? 'relaxed' : 'baseline';
  const code = wasm.code[`${kind}${module}`];
  if (!code) throw new BundleError(url, 'names no wasm module; compile the model anew');
  bundle.expect([code, ...manifest.weights.shards]);

  const memory = allocate(bundle, team);
  // Now, since browsers open few connections to a server, and the weights will take them all.
  team?.begin(memory);
  const places = layOut(bundle, memory.buffer);
  const opening = bundle.compile(code).then((module) => (team?.open ?? openAlone)(module, memory, places, bundle));
  try {
    const fills = places.shards.map(({ name, place }) => bundle.fill(name, place));
    let opened = Promise.all([prepare(opening, fills, bundle), ...fills]).then(([engine]) => engine);
// keras-compile: early {
    if (bundle.arrival) opened = bundle.arrival.wait(opening, opened);
// keras-compile: early }
    const engine = await opened;
    if (!fused) engine.fallbacks.push('Products are rounded before they are added, because this engine has no relaxed SIMD.');
    if (!wasm.threads && Number(threads) > 1) {
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
 * @param {Bundle} bundle
 */
async function prepare(opening, fills, bundle) {
  const engine = await opening;
  const section = sectionOf(bundle);
  let begin = 0;
// keras-compile: early {
  for (const [i, fill] of fills.entries()) {
    await fill;
    const end = section.ready?.[i]?.[0] ?? begin;
    if (end > begin) await engine.prepare(begin, end);
    begin = end;
    bundle.arrival?.has(i);
  }
// keras-compile: early }
  await Promise.all(fills);
  if (section.prepare > begin) await engine.prepare(begin, section.prepare);
  return engine;
}

/**
 * Runs the model on the caller's thread.
 * @type {Team['open']}
 */
export async function openAlone(module, memory, { inputs, outputs }, bundle) {
  const { stopped } = bundle;
  const { prepare, steps } = sectionOf(bundle);
  const end = prepare + steps;
  const instance = await awake(WebAssembly.instantiate(module, { env: { memory } }));
  const { run, warm } = /** @type {Record<'run' | 'warm', (begin: number, end: number) => void>} */ (instance.exports);
  let idle = true;
  // Half-read weights may make it fail, a real run will tell.
  const wanted = () => idle && !stopped.aborted;
  inSlices(warm, prepare, end, 'background', wanted).then(() => inSlices(run, prepare, end, 'background', wanted)).catch(() => {});

  /** @type {(values: Parameters<Engine['predict']>[0]) => void} */
  const take = (values) => {
    idle = false;
    inputs.forEach(({ slot, view }, i) => write(view, /** @type {TensorData} */ (values[i]), slot));
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
// keras-compile: early {
    async inParts(values, walk, out) {
      take(values);
      run(prepare + (await walk((begin, end) => run(prepare + begin, prepare + end))), end);
      return readAll(outputs, out);
    },
// keras-compile: early }
    profile(values) {
      take(values);
      return Array.from({ length: steps }, (_, step) => {
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
export function allocate(bundle, team) {
  const pages = team?.pages ?? sectionOf(bundle).memory / PAGE;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: !!team });
  } catch (cause) {
    throw new BundleError(bundle.url, `the model needs ${Math.ceil(pages / 16)} MiB of memory, which are not to be had here`, cause);
  }
}

/** The slots with their addresses. @param {Slot[]} slots @param {Address[]} addresses @returns {Placed[]} */
export function placed(slots, addresses) {
  if (slots.length !== addresses.length) throw new Error(`${slots.length} tensors have ${addresses.length} addresses`);
  return slots.map((slot, i) => ({ ...slot, .../** @type {Address} */ (addresses[i]) }));
}

/** @param {ArrayBufferLike} buffer @param {Placed} slot */
export const viewOf = (buffer, slot) => viewAt(buffer, slot, slot.offset);

/** The views of the inputs, outputs and weights. @param {Bundle} bundle @param {ArrayBufferLike} buffer */
function layOut(bundle, buffer) {
  const { inputs, outputs, weights, files } = bundle.manifest;
  const wasm = sectionOf(bundle);
  /** @param {Slot[]} slots @param {Address[]} addresses */
  const views = (slots, addresses) => placed(slots, addresses).map((slot) => ({ slot, view: viewOf(buffer, slot) }));
  let at = wasm.weights.offset;
  try {
    let shards = weights.shards.map((name) => {
      const place = new Uint8Array(buffer, at, files[name]?.bytes);
      at += place.length;
      return { name, place };
    });
// keras-compile: early {
    shards = inOrder(shards, weights);
// keras-compile: early }
    return { inputs: views(inputs, wasm.inputs), outputs: views(outputs, wasm.outputs), shards };
  } catch (cause) {
    throw new BundleError(bundle.url, `contradicts itself (${because(cause)}); compile the model anew`, cause);
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
