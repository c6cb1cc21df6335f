// What backends on a GPU have in common: predictions in order, and a device that may be lost.

import { because } from './source.js';
import { count, describe, isTensor, viewOf, write } from './tensor.js';

/** @import { Bundle, Core, Engine, GpuInput, Placed, Probe, Value, Warming } from './internal.js' */

/** Whether one of these names is that of a renderer without a GPU. @param {unknown[]} names */
export const isSoftware = (...names) =>
  names.some((name) => /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i.test(String(name)));

/** How long a device may take to say that it is lost, when work on it has failed, in milliseconds. */
const PATIENCE = 2000;

/** Most pieces of memory that are kept for later predictions. */
export const SPARE = 4;

/** A model on a device that is replaced when it is lost. @implements {Engine} */
export class Lasting {
  threads = 1;
  /** @type {string[]} */
  fallbacks = [];
  /** What works, if it does. @type {Core | undefined} */
  #core;
  #open;
  #slots;
  /** Why the last device was lost. */
  #why = '';
  /** @type {Promise<Core> | undefined} */
  #coming;
  /** Copies of inputs that are not in use. @type {GpuInput[][]} */
  #spare = [];
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {DOMException | undefined} */
  #gone;

  /** @param {Core} core @param {() => Promise<Core>} open Makes another one. @param {Placed[]} slots The inputs. */
  constructor(core, open, slots) {
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

  /** @type {Engine['profile']} */
  profile(values) {
    return this.#ask(values, (core, inputs) => core.profile(inputs));
  }

  /** Runs a step alone and reads elements of what it leaves. @param {Probe} probe */
  probe(probe) {
    if (!this.#core) throw this.#gone ?? new Error(`the GPU was lost (${this.#why})`);
    return this.#core.probe(probe);
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

  /** They are needed again where the device is lost meanwhile. @param {Value[]} values */
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
      const view = kept && !isTensor(kept) ? kept : viewOf(new ArrayBuffer(4 * count(slot.shape)), { ...slot, offset: 0 });
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
    if (this.#gone) throw this.#gone;
    const core = this.#core ?? (await this.#revive());
    try {
      return await work(core, inputs);
    } catch (error) {
      const why = await Promise.race([core.lost, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
      if (this.#gone) throw this.#gone;
      if (why === undefined) throw error;
      if (inputs.some(isTensor)) throw new Error(`predict: the GPU was lost (${why}), and the given buffers with it`, { cause: error });
    }
    const next = this.#core ?? (await this.#revive());
    return work(next, inputs);
  }

  #revive() {
    this.#coming ??= this.#open()
      .then((core) => this.#adopt(core))
      .catch((cause) => {
        throw this.#gone ?? new Error(`the GPU was lost (${this.#why}) and cannot be had again: ${because(cause)}`, { cause });
      })
      .finally(() => (this.#coming = undefined));
    return this.#coming;
  }
}

/**
 * One backend answers until another one is there.
 * @type {Warming}
 */
export async function answerUntil(loading, warm, names) {
  const { first, second, end } = share();
  const early = loading.choose([warm], first);
  early.catch(end);
  const late = loading.choose(names, second).finally(end);
  const choice = await Promise.any([early, late]).catch(({ errors }) => {
    throw errors[0];
  });
  if (choice.running?.backend === warm) {
    const why = (/** @type {unknown} */ error) => because(error).replace(/^load: /, '');
    return { ...choice, later: late.catch((error) => ({ fallbacks: [`It stays ${warm}: ${why(error)}.`] })) };
  }
  early.then(({ running }) => running?.engine.dispose(), () => {});
  loading.stop(new DOMException(`${choice.running?.backend} was there first`, 'AbortError'));
  return choice;
}

/**
 * Lets one backend copy the weights out of the memory into which another one reads them, so that they are fetched once.
 * @returns {{ first(bundle: Bundle): Bundle, second(bundle: Bundle): Bundle, end(): void }}
 */
function share() {
  /** @type {Map<string, { place: Promise<Uint8Array | undefined>, tell: (place?: Uint8Array) => void }>} */
  const places = new Map();
  let over = false;
  const placeOf = (/** @type {string} */ name) => {
    const known = places.get(name);
    if (known) return known;
    /** @type {(place?: Uint8Array) => void} */
    let tell = () => {};
    const place = new Promise((/** @type {(place: Uint8Array | undefined) => void} */ resolve) => (tell = resolve));
    if (over) tell();
    places.set(name, { place, tell });
    return { place, tell };
  };
  return {
    first: (bundle) => ({
      ...bundle,
      async fill(name, target) {
        await bundle.fill(name, target);
        if (!over) placeOf(name).tell(target);
      },
    }),
    second(bundle) {
      const shards = new Set(bundle.manifest.weights.shards);
      const own = bundle.again();
      return {
        ...own,
        async fill(name, target) {
          const place = shards.has(name) && !over ? await placeOf(name).place : undefined;
          if (place) target.set(place);
          else await own.fill(name, target);
        },
      };
    },
    end() {
      over = true;
      places.forEach(({ tell }) => tell());
      places.clear();
    },
  };
}
