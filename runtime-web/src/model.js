// What `load` gives: checks the inputs and hands them to the engine.

import { arrayName, count, describe, takes } from './tensor.js';

/** @import { BackendName, InputInfos, Model, OutputInfos, Outputs, PredictInput, TensorData, TensorInfo } from './index.js' */
/** @import { Engine, Manifest, Slot, StepInfo } from './internal.js' */

/** @implements {Model} */
export class LoadedModel {
  /** @type {Engine | undefined} */
  #engine;
  /** @type {StepInfo[] | undefined} */
  #steps;
  /** @type {Slot[]} */
  #slots;

  /** @param {Manifest} manifest @param {BackendName} backend @param {Engine} engine @param {StepInfo[]} [steps] */
  constructor(manifest, backend, engine, steps) {
    /** @type {(slots: TensorInfo[]) => any} */
    const infos = (slots) => Object.freeze(slots.map(({ name, shape, dtype }) => Object.freeze({ name, shape, dtype })));
    /** @type {InputInfos} */
    this.inputs = infos(manifest.inputs);
    /** @type {OutputInfos} */
    this.outputs = infos(manifest.outputs);
    this.backend = backend;
    this.module = engine.module;
    this.threads = engine.threads;
    this.fallbacks = Object.freeze([...engine.fallbacks]);
    this.#engine = engine;
    this.#steps = steps;
    this.#slots = manifest.inputs;
  }

  /** @param {PredictInput} x @param {{ out?: Outputs | undefined }} [options] */
  async predict(x, { out } = {}) {
    const targets = out && arrange(this.outputs, out, 'output');
    return this.#live().predict(this.#arranged(x), targets);
  }

  /** @param {PredictInput} x */
  async profile(x) {
    const engine = this.#live();
    const steps = this.#steps;
    if (!steps) throw new DOMException('load the model with { profile: true } to profile it', 'InvalidStateError');
    const times = await engine.profile(this.#arranged(x));
    return times.map(({ step, ms }) => {
      const { layers, flops, bytes, variants } = /** @type {StepInfo} */ (steps[step]);
      const speed = (flops || bytes) / ms / 1e6;
      return { step, layers, variant: variants[engine.module] ?? '', ms, [flops ? 'gflops' : 'gbs']: speed };
    });
  }

  dispose() {
    this.#engine?.dispose();
    this.#engine = undefined;
  }

  /** @param {PredictInput} x */
  #arranged(x) {
    const arrays = arrange(this.inputs, bare(this.inputs, x));
    this.#slots.forEach((slot, i) => checkIndices(slot, /** @type {TensorData} */ (arrays[i])));
    return arrays;
  }

  #live() {
    if (this.#engine) return this.#engine;
    throw new DOMException('the model was disposed of; load it again', 'InvalidStateError');
  }
}

/** The array of an only input may come without its name. @param {readonly TensorInfo[]} inputs @param {unknown} x */
const bare = ([first, ...others], x) => (first && !others.length && ArrayBuffer.isView(x) ? { [first.name]: x } : x);

/**
 * The arrays in the order of the inputs, or of the outputs, each checked.
 * @param {readonly TensorInfo[]} infos
 * @param {unknown} x
 */
function arrange(infos, x, kind = 'input') {
  const expected = () => {
    const list = infos.map(({ name, shape, dtype }) => `${name}: ${arrayName(dtype)}(${count(shape)})`).join(', ');
    return `the model ${kind === 'input' ? 'takes' : 'gives'} { ${list} }`;
  };
  const given = /** @type {Record<string, unknown>} */ (x);
  if (kindOf(given) !== 'Object') throw new TypeError(`predict: got ${kindOf(x)}; ${expected()}`);
  const unknown = Object.keys(given).find((key) => !infos.some(({ name }) => name === key));
  if (unknown !== undefined) throw new TypeError(`predict: there is no ${kind} "${unknown}"; ${expected()}`);
  return infos.map((info) => {
    const value = given[info.name];
    const tag = kindOf(value);
    if (value === undefined) throw new TypeError(`predict: ${kind} "${info.name}" is missing; ${expected()}`);
    if (kind === 'input' ? !takes(info.dtype, tag) : tag !== arrayName(info.dtype)) {
      throw new TypeError(`predict: ${describe(info, kind)} takes a ${arrayName(info.dtype)}, got ${tag}`);
    }
    const array = /** @type {TensorData} */ (value);
    if (array.length !== count(info.shape)) {
      throw new RangeError(`predict: ${describe(info, kind)} takes ${count(info.shape)} elements, got ${array.length}`);
    }
    return array;
  });
}

/**
 * Indices must be there; as Keras does, fractions are cut off. @param {Slot} slot @param {TensorData} values
 */
function checkIndices(slot, values) {
  if (!slot.range) return;
  const [first, end] = slot.range;
  for (let i = 0; i < values.length; i++) {
    // Not (a or b), so that NaN is refused too.
    if (values[i] > first - 1 && values[i] < end) continue;
    throw new RangeError(`predict: ${describe(slot)} has ${values[i]} at ${i}, which is no index: they go from ${first} to ${end - 1}`);
  }
}

/** By tag, since `instanceof` fails for arrays of another frame. @param {unknown} value */
const kindOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
