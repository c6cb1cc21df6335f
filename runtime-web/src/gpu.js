// What backends on a GPU have in common: predictions in order, and a device that may be lost.

import { firstFault } from './check.js';
// keras-compile: early {
import { inOrder } from './early.js';
// keras-compile: early }
import { because, Unfit } from './source.js';
import { count, describe, isTensor, viewAt, write } from './tensor.js';

/** @import { TensorData } from './index.js' */
/** @import { Bundle, CheckFile, Core, Engine, GpuInput, Slot, Stored, Value, Walk } from './internal.js' */

/** Whether one of these names is that of a renderer without a GPU. @param {unknown[]} names */
export const isSoftware = (...names) =>
  names.some((name) => /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i.test(String(name)));

/**
 * The slots with their addresses.
 * @template {Stored} T
 * @param {Slot[]} slots
 * @param {T[]} addresses
 * @returns {(Slot & T)[]}
 */
export function placeAll(slots, addresses) {
  if (slots.length !== addresses.length) throw new Unfit(`${slots.length} tensors have ${addresses.length} addresses`);
  return slots.map((slot, i) => ({ ...slot, ...addresses[i] }));
}

/** Shaders that stand one after the other, each after a line that says what it is. @param {string} text */
export const splitShaders = (text) =>
  text.split(/^\/\/ (?=(?:module|program) \d+:)/m).slice(1).map((part) => {
    const end = part.indexOf('\n');
    return { name: part.slice(0, end), code: part.slice(end).trim() };
  });

/** Shards on their way at a time: browsers open six connections to a server. */
const SHARDS_AT_ONCE = 6;

/**
 * Reads the weights, in memory that is used again, and hands over each shard with its place.
 * @param {Bundle} bundle
 * @param {number} unit Lengths are multiples of these bytes.
 * @param {(at: number, bytes: Uint8Array<ArrayBuffer>) => void} write
 */
export async function upload(bundle, unit, write) {
  const { files, weights } = bundle.manifest;
  let end = 0;
  let shards = weights.shards.map((name) => {
    const { bytes } = files[name];
    return { name, bytes, at: (end += bytes) - bytes };
  });
// keras-compile: early {
  shards = inOrder(shards, weights);
// keras-compile: early }
  const room = Math.ceil(Math.max(0, ...shards.map(({ bytes }) => bytes)) / unit) * unit;
  // All that work take from it.
  const turns = shards.values();
  const work = async () => {
    const all = new Uint8Array(room);
    for (const shard of turns) {
      const { name, bytes, at } = shard;
      await bundle.fill(name, all.subarray(0, bytes));
      write(at, all.subarray(0, Math.ceil(bytes / unit) * unit));
// keras-compile: early {
      bundle.arrival?.has(shards.indexOf(shard));
// keras-compile: early }
    }
  };
  await Promise.all(Array.from({ length: Math.min(SHARDS_AT_ONCE, shards.length) }, work));
}

/** How long a page polls without a pause for what is nearly done, in milliseconds. */
const EAGER = 4;

/** Lets the page do other things until something is so. @param {() => boolean | void} so */
export async function until(so) {
  const { scheduler } = /** @type {any} */ (globalThis);
  const eager = performance.now() + EAGER;
  while (!so()) {
    await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      // A timer waits for 4 ms after a few turns.
      if (scheduler?.postTask && performance.now() < eager) scheduler.postTask(resolve);
      else setTimeout(resolve, 1);
    });
  }
}

/** How long a device may take to show what it computes, in milliseconds. */
const ANSWERS = 60_000;

/** How long a device may take to say that it is lost, when work on it has failed, and a browser to have another one, in milliseconds. */
const PATIENCE = 2000;

/** Between two questions for another device, in milliseconds. */
const PAUSE = 100;

const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Most pieces of memory that are kept for later predictions. */
export const SPARE = 4;

/** A model on a device that is replaced when it is lost. @implements {Engine} */
export class Lasting {
  threads = 1;
  /** @type {string[]} */
  fallbacks = [];
  /** Whether a prediction is little work; known when it was checked. */
  small = false;
  /** What works, if it does. @type {Core | undefined} */
  #core;
  #open;
  #slots;
  /** What the device is checked with. @type {((core: Core) => Promise<CheckFile>) | undefined} */
  #describe;
  /** The same, when it is there. @type {Promise<CheckFile> | undefined} */
  #described;
  /** Why the last device was lost. */
  #why = '';
  /** @type {Promise<Core> | undefined} */
  #coming;
  /** Copies of inputs that are not in use. @type {GpuInput[][]} */
  #spare = [];
  /** Work that nothing may come between. @type {Promise<unknown> | undefined} */
  #alone;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {DOMException | undefined} */
  #gone;

  /**
   * @param {Core} core
   * @param {() => Promise<Core>} open Makes another one.
   * @param {(Slot & Stored)[]} slots The inputs.
   * @param {(core: Core) => Promise<CheckFile>} [describe] Gives what its device is checked with.
   */
  constructor(core, open, slots, describe) {
    this.#describe = describe;
    if (describe) this.check = () => this.#check();
    this.module = core.module;
    this.buffers = core.buffers;
    this.#open = open;
    this.#slots = slots;
    this.#adopt(core);
  }

  /** @type {Engine['predict']} */
  predict(values, out, onGpu) {
    return this.#ask(values, (core, inputs) => core.predict(inputs, out, onGpu));
  }

// keras-compile: early {
  /** @param {Value[]} values @param {Walk} walk @param {TensorData[]} [out] @param {boolean} [onGpu] */
  inParts(values, walk, out, onGpu) {
    const first = this.#core;
    return this.#ask(values, async (core, inputs) => {
      // Another one has all weights.
      const from = core === first ? await walk((begin, end) => core.part(inputs, begin, end)) : 0;
      return core.predict(inputs, out, onGpu, from);
    });
  }

// keras-compile: early }
  /** @type {Engine['profile']} */
  profile(values) {
    return this.#ask(values, (core, inputs) => {
      const times = core.profile(inputs);
      const alone = times.then(() => {}, () => {}).finally(() => {
        if (this.#alone === alone) this.#alone = undefined;
      });
      this.#alone = alone;
      return times;
    });
  }

  /** What is wrong with what the device computes, in a sentence. @returns {Promise<string | undefined>} */
  async #check() {
    const lost = () => this.#gone ?? new Error(`the GPU was lost (${this.#why})`);
    const core = this.#core;
    if (!core) throw lost();
    const file = await (this.#described ??= this.#describe?.(core));
    if (!file || this.#core !== core) throw lost();
    this.small = !!file.network;
    // A driver that hangs must not keep the page waiting for ever.
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    /** @type {Promise<never>} */
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Unfit(`the GPU has not answered for ${ANSWERS / 1000} s`)), ANSWERS);
    });
    const fault = await Promise.race([firstFault(file, core.checked()), late]).finally(() => clearTimeout(timer));
    if (!fault) return undefined;
    const { name, byte, found, expected, round } = fault;
    const when = round ? `, when it ran for the ${['second', 'third'][round - 1]} time` : '';
    return `it computes wrong numbers: "${name}" gives ${found} instead of ${expected} as element ${byte / 4} of its buffer${when}`;
  }

  dispose() {
    this.#gone = new DOMException('the model was disposed of; load it again', 'InvalidStateError');
    this.#core?.destroy();
    this.#core = undefined;
    this.#spare = [];
  }

  /** @param {Core} core */
  #adopt(core) {
    if (this.#gone) {
      core.destroy();
      throw this.#gone;
    }
    core.lost.then((why) => {
      this.#why = why;
      if (this.#core === core) this.#core = undefined;
    });
    // Another device may run another program.
    this.#described = undefined;
    return (this.#core = core);
  }

  /**
   * Reads the inputs before it returns, and gives answers in the order of questions.
   * @template T
   * @param {Value[]} values
   * @param {(core: Core, inputs: GpuInput[]) => Promise<T>} work
   */
  async #ask(values, work) {
    const inputs = this.#copy(values);
    const before = this.#last;
    const answer = this.#attempt(inputs, work);
    this.#last = Promise.allSettled([before, answer]).then(() => {});
    try {
      const result = await answer;
      if (this.#gone) throw this.#gone;
      return result;
    } finally {
      await before;
      if (!this.#gone && this.#spare.length < SPARE && !inputs.some(isTensor)) this.#spare.push(inputs);
    }
  }

  /** They are needed again where the device is lost meanwhile. Their memory has whole texels. @param {Value[]} values */
  #copy(values) {
    const old = this.#spare.pop();
    return this.#slots.map((slot, i) => {
      const value = values[i];
      if (isTensor(value)) {
        const held = slot.storage === 'f32' ? 'float32' : 'int32';
        if ((value.dtype ?? held) === held) return value;
        throw new TypeError(`predict: ${describe(slot)} lies on the GPU as ${held}, got ${value.dtype}`);
      }
      const kept = old?.[i];
      const view = kept && !isTensor(kept) ? kept : viewAt(new ArrayBuffer(Math.ceil(count(slot.shape) / 4) * 16), slot, 0);
      write(view, value, slot);
      return view;
    });
  }

  /**
   * Begins before it returns, where there is a device.
   * @template T
   * @param {GpuInput[]} inputs
   * @param {(core: Core, inputs: GpuInput[]) => Promise<T>} work
   */
  async #attempt(inputs, work) {
    while (this.#alone) await this.#alone;
    if (this.#gone) throw this.#gone;
    const core = this.#core ?? (await this.#revive());
    try {
      return await work(core, inputs);
    } catch (error) {
      const why = await Promise.race([core.lost, pause(PATIENCE).then(() => undefined)]);
      if (this.#gone) throw this.#gone;
      if (why === undefined) throw error;
      if (inputs.some(isTensor)) throw new Error(`predict: the GPU was lost (${why}), and the given buffers with it`, { cause: error });
    }
    const next = this.#core ?? (await this.#revive());
    return work(next, inputs);
  }

  /** Browsers have no device for a moment after the process of the GPU ended. */
  async #another() {
    for (const end = performance.now() + PATIENCE; ; await pause(PAUSE)) {
      try {
        return await this.#open();
      } catch (error) {
        if (!(error instanceof Unfit) || this.#gone || performance.now() > end) throw error;
      }
    }
  }

  #revive() {
    this.#coming ??= this.#another()
      .then(async (core) => {
        this.#adopt(core);
        // It may be another one.
        const wrong = await this.check?.();
        if (!wrong) return core;
        core.destroy();
        throw new Error(wrong);
      })
      .catch((cause) => {
        throw this.#gone ?? new Error(`the GPU was lost (${this.#why}) and cannot be had again: ${because(cause)}`, { cause });
      })
      .finally(() => (this.#coming = undefined));
    return this.#coming;
  }
}
