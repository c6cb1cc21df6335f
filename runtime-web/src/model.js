// What `load` gives: checks the inputs and hands them to the engine.

import { arrayName, arrayOf, bounds, count, describe, EXACT, isTensor, takes, zeros } from './tensor.js';

/** @import { BackendName, GpuInputs, GpuTensor, InputInfos, Model, OutputInfos, Outputs, PredictInput, TensorData, TensorInfo } from './index.js' */
/** @import { Choice, Given, Keeping, Manifest, Running, Slot, Speaking, StepInfo, Value } from './internal.js' */

/** @typedef {{ out?: Outputs | undefined, output?: 'cpu' | 'gpu' | undefined, signal?: AbortSignal | undefined }} PredictOptions */

/** @implements {Model} */
export class LoadedModel {
  /** @type {Running | undefined} */
  #running;
  /** What is passed to `predict`. @type {Slot[]} */
  #slots;
  /** Behind what is passed: what goes from one prediction to the next. @type {Slot[]} */
  #kept;
  /** The outputs that give the next ones. @type {string[]} */
  #next;
  /** What they are when all predictions so far are done. @type {TensorData[]} */
  #states;
  /** The end of the last prediction, where one begins with what the one before it gave. @type {Promise<unknown>} */
  #turn = Promise.resolve();
  /** Stops what may still take over. @type {((reason: unknown) => void) | undefined} */
  #stop;

  /** What strings go through before a prediction and behind it, where there are such. @type {Speaking | undefined} */
  #speaking;

  /** Compares with another backend. @type {((name: BackendName, running: Running, values?: Value[]) => Promise<string | undefined>) | undefined} */
  #against;

  /**
   * @param {Manifest} manifest
   * @param {Choice} choice
   * @param {(reason: unknown) => void} stop Stops the downloads for a later one.
   * @param {(name: BackendName, running: Running, values?: Value[]) => Promise<string | undefined>} [against]
   * @param {Speaking} [speaking]
   * @param {Keeping} [keeping]
   */
  constructor(manifest, choice, stop, against, speaking, { cached, stored } = { cached: false, stored: Promise.resolve(undefined) }) {
    this.cached = cached;
    this.stored = stored;
    this.#against = against;
    this.#speaking = speaking;
    /** @type {(slots: Slot[]) => any} */
    const infos = (slots) =>
      Object.freeze(slots.map(({ name, shape, dtype, words }) => Object.freeze({ name, shape, dtype: words ? 'string' : dtype })));
    this.#slots = manifest.inputs.filter(({ state }) => state === undefined);
    this.#kept = manifest.inputs.filter(({ state }) => state !== undefined);
    const next = this.#kept.map(({ state }) => manifest.outputs[/** @type {number} */ (state)]);
    this.#next = next.map(({ name }) => name);
    this.#states = this.#kept.map(zeros);
    /** @type {InputInfos} */
    this.inputs = infos(speaking?.inputs ?? this.#slots);
    /** @type {OutputInfos} */
    this.outputs = infos(manifest.outputs.filter((slot) => !next.includes(slot)));
    const { backend, engine } = (this.#running = /** @type {Running} */ (choice.running));
    this.backend = backend;
    this.module = engine.module;
    this.threads = engine.threads;
    /** @type {readonly string[]} */
    this.fallbacks = Object.freeze([...choice.fallbacks, ...engine.fallbacks]);
    if (choice.later) this.#stop = stop;
    /** @type {Promise<void>} */
    this.ready = Promise.resolve();
// keras-compile: early {
    if (engine.ready) this.#stop = stop;
    this.ready = this.#use(({ engine }) => engine.ready).then(() => {});
    this.ready.catch(() => {});
// keras-compile: early }
    /** @type {Promise<BackendName>} */
    this.settled = choice.later ? choice.later.then((later) => this.#replace(later)) : Promise.resolve(backend);
  }

  /** @param {PredictInput | GpuInputs} x @param {PredictOptions} [options] @returns {Promise<any>} */
  async predict(x, options = {}) {
    const { signal } = options;
    signal?.throwIfAborted();
    const outputs = this.#predict(x, options);
    if (!signal) return outputs;
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort);
      outputs.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }

  /** @param {PredictInput | GpuInputs} x @param {PredictOptions} options @returns {Promise<any>} */
  async #predict(x, { out, output = 'cpu', signal }) {
    const targets = out && arrange(this.outputs, out, 'output');
    const onGpu = output === 'gpu';
    if (!onGpu && output !== 'cpu') throw new TypeError(`predict: output is "${output}"; pass 'cpu' or 'gpu'`);
    if (onGpu && out) throw new TypeError("predict: pass out or output: 'gpu', not both");
    this.#live();
    const values = this.#arranged(x);
    if (!this.outputs.some(({ dtype }) => dtype === 'string')) return this.#given(values, targets, onGpu, signal);
    if (onGpu) throw new TypeError("predict: strings are no GPUBuffer; leave output: 'gpu' out");
    // A backend gives the integers that become strings.
    const numbers = targets?.map((target, i) => (this.outputs[i]?.dtype === 'string' ? undefined : target));
    return this.#speaking?.speak(await this.#given(values, numbers, onGpu, signal), targets);
  }

  /** @param {Value[]} values @param {(Given | undefined)[] | undefined} targets @param {boolean} onGpu @param {AbortSignal} [signal] */
  #given(values, targets, onGpu, signal) {
    if (this.#kept.length) return this.#inTurn(values, targets, onGpu, signal);
    const give = () => this.#use(({ engine }) => engine.predict(values, /** @type {TensorData[] | undefined} */ (targets), onGpu));
    return onGpu || values.some(isTensor) ? this.#onGpu(values, give) : give();
  }

  resetStates() {
    this.#turn = this.#turn.then(() => {
      this.#states = this.#kept.map(zeros);
    });
  }

  /**
   * A prediction that begins with what the one before it gave, and so when that is done.
   * @param {Value[]} values @param {(Given | undefined)[] | undefined} targets @param {boolean} onGpu @param {AbortSignal} [signal]
   */
  #inTurn(values, targets, onGpu, signal) {
    if (onGpu) throw new TypeError("predict: a model that keeps states gives its results to the CPU; leave output: 'gpu' out");
    // Whoever passed them may use them again by then.
    const copies = values.map((value) => (isTensor(value) ? value : value.slice()));
    const predict = async () => {
      const give = () => this.#use(({ engine }) => engine.predict([...copies, ...this.#states], /** @type {TensorData[] | undefined} */ (targets)));
      /** @type {any} */
      const outputs = await (copies.some(isTensor) ? this.#onGpu(copies, give) : give());
      signal?.throwIfAborted();
      this.#states = this.#next.map((name) => outputs[name]);
      this.#next.forEach((name) => delete outputs[name]);
      return outputs;
    };
    const given = this.#turn.then(predict);
    // What fails leaves the states as they were.
    this.#turn = given.catch(() => {});
    return given;
  }

  /** @param {PredictInput | GpuInputs} x */
  async profile(x) {
    const { steps } = this.#live();
    if (!steps) throw new DOMException('load the model with { profile: true } to profile it', 'InvalidStateError');
    const values = [...this.#arranged(x), ...this.#states];
    return this.#use(async ({ engine, steps }) => {
      const times = await engine.profile(values);
      return times.map(({ step, ms }) => {
        const { layers, flops, bytes, variants } = /** @type {StepInfo} */ (steps?.[step]);
        const speed = (flops || bytes) / ms / 1e6;
        return { step, layers, variant: variants[engine.module] ?? '', ms, [flops ? 'gflops' : 'gbs']: speed };
      });
    });
  }

  /** @param {{ against?: BackendName | undefined, inputs?: PredictInput | undefined }} [options] */
  async verify({ against, inputs } = {}) {
    const { engine, backend } = this.#live();
    const compare = this.#against;
    if (against !== undefined && compare) {
      const values = inputs === undefined ? undefined : [...this.#arranged(inputs), ...this.#states];
      return this.#use((running) => compare(against, running, values));
    }
    if (!engine.check) throw new DOMException(`the bundle holds nothing to check ${backend} with`, 'InvalidStateError');
    return this.#use(({ engine }) => engine.check?.());
  }

  dispose() {
    const reason = gone();
    this.#stop?.(reason);
    this.#running?.engine.dispose();
    this.#running = undefined;
  }

  /** @param {Choice} later */
  #replace({ running, fallbacks }) {
    this.#stop = undefined;
    const old = this.#running;
    if (!old || !running) {
      running?.engine.dispose();
      this.fallbacks = Object.freeze([...fallbacks, ...this.fallbacks]);
      return this.backend;
    }
    this.#running = running;
    if (!old.users) old.engine.dispose();
    this.module = running.engine.module;
    this.threads = running.engine.threads;
    this.fallbacks = Object.freeze([...fallbacks, ...running.engine.fallbacks]);
    return (this.backend = running.backend);
  }

  /**
   * Has work done by what the model runs on now, even if that is replaced meanwhile.
   * @template T
   * @param {(running: Running) => T | Promise<T>} work
   */
  async #use(work) {
    const running = this.#live();
    running.users++;
    try {
      return await work(running);
    } finally {
      if (--running.users === 0 && running !== this.#running) running.engine.dispose();
    }
  }

  /** Waits for the backend that is on its way, if need be, with copies of what was passed. @param {Value[]} values @param {() => Promise<any>} give */
  async #onGpu(values, give) {
    if (!this.#live().engine.buffers && this.#stop) {
      values.forEach((value, i) => {
        if (!isTensor(value)) values[i] = value.slice();
      });
      await this.settled;
    }
    if (this.#live().engine.buffers) return give();
    throw new TypeError(`predict: the model runs on ${this.backend}, which neither takes nor gives buffers of a GPU`);
  }

  /** @param {PredictInput | GpuInputs} x */
  #arranged(x) {
    const passed = arrange(this.inputs, bare(this.inputs, x));
    this.#speaking?.inputs.forEach((slot, i) => checkRange(slot, /** @type {Value} */ (passed[i])));
    const values = this.#speaking?.prepare(passed) ?? /** @type {Value[]} */ (passed);
    this.#slots.forEach((slot, i) => checkRange(slot, /** @type {Value} */ (values[i])));
    return values;
  }

  #live() {
    if (this.#running) return this.#running;
    throw gone();
  }
}

const gone = () => new DOMException('the model was disposed of; load it again', 'InvalidStateError');

/** What a GPU holds, as a page passes it: a buffer or an output. @param {any} value @returns {GpuTensor | undefined} */
const tensorOf = (value) =>
  kindOf(value) === 'GPUBuffer' ? { buffer: value } : kindOf(value?.buffer) === 'GPUBuffer' ? value : undefined;

/** An only input may come without its name. @param {readonly TensorInfo[]} inputs @param {unknown} x */
const bare = ([first, ...others], x) =>
  first && !others.length && (isArray(first, x) || tensorOf(x)) ? { [first.name]: x } : x;

/** Whether something is what an input takes, and not an object with it. @param {TensorInfo} info @param {unknown} x */
const isArray = ({ dtype }, x) => ArrayBuffer.isView(x) || (dtype === 'string' && (Array.isArray(x) || typeof x === 'string'));

/**
 * The arrays in the order of the inputs, or of the outputs, each checked.
 * @param {readonly TensorInfo[]} infos
 * @param {unknown} x
 * @returns {Given[]}
 */
function arrange(infos, x, kind = 'input') {
  const expected = () => {
    const list = infos.map(({ name, shape, dtype }) => `${name}: ${arrayOf(dtype)}(${count(shape)})`).join(', ');
    return `the model ${kind === 'input' ? 'takes' : 'gives'} { ${list} }`;
  };
  const given = /** @type {Record<string, unknown>} */ (x);
  if (kindOf(given) !== 'Object') throw new TypeError(`predict: got ${kindOf(x)}; ${expected()}`);
  const unknown = Object.keys(given).find((key) => !infos.some(({ name }) => name === key));
  if (unknown !== undefined) throw new TypeError(`predict: there is no ${kind} "${unknown}"; ${expected()}`);
  return infos.map((info) => {
    const single = info.dtype === 'string' && typeof given[info.name] === 'string';
    const value = single ? [given[info.name]] : given[info.name];
    const tag = kindOf(value);
    if (value === undefined) throw new TypeError(`predict: ${kind} "${info.name}" is missing; ${expected()}`);
    const tensor = kind === 'input' && info.dtype !== 'string' && tensorOf(value);
    if (tensor) {
      const [bytes, { size }] = [4 * count(info.shape), tensor.buffer];
      if (size === bytes) return tensor;
      throw new RangeError(`predict: ${describe(info, kind)} takes a GPUBuffer of ${bytes} bytes, got one of ${size}`);
    }
    if (kind === 'input' ? !takes(info.dtype, tag) : tag !== arrayName(info.dtype)) {
      throw new TypeError(`predict: ${describe(info, kind)} takes a${info.dtype === 'string' ? 'n' : ''} ${arrayOf(info.dtype)}, got ${tag}`);
    }
    const array = /** @type {TensorData | string[]} */ (value);
    if (array.length !== count(info.shape)) {
      throw new RangeError(`predict: ${describe(info, kind)} takes ${count(info.shape)} elements, got ${array.length}`);
    }
    if (kind === 'input' && info.dtype === 'string') {
      const wrong = /** @type {unknown[]} */ (array).findIndex((element) => typeof element !== 'string');
      if (wrong >= 0) throw new TypeError(`predict: ${describe(info)} has a ${typeof array[wrong]} at ${wrong}, where a string belongs`);
    }
    return array;
  });
}

/**
 * Integers must be of their type, and such as are computed with as they are; indices must be there. As Keras does, fractions
 * are cut off. What lies on a GPU is not looked at. @param {Slot} slot @param {Value} values
 */
function checkRange(slot, values) {
  if (isTensor(values)) return;
  // Other arrays than that of the type hold more, but for bytes.
  const tag = kindOf(values);
  if (/int/.test(slot.dtype) && tag !== arrayName(slot.dtype) && !/^Uint8/.test(tag)) {
    const [least, largest] = bounds(slot.dtype);
    check(slot, values, [least, largest + 1], `which is not of that type: it has integers from ${least} to ${largest}`);
  }
  if (!slot.range) return;
  const [first, end] = slot.range;
  const what = first > -EXACT ? 'no index: they go' : 'too large for a network of float32: integers go';
  check(slot, values, slot.range, `which is ${what} from ${first} to ${end - 1}`);
}

/** @param {Slot} slot @param {TensorData} values @param {readonly [number, number]} range The first, and the one after the last. @param {string} why */
function check(slot, values, [first, end], why) {
  for (let i = 0; i < values.length; i++) {
    // Not (a or b), so that NaN is refused too.
    if (/** @type {number} */ (values[i]) > first - 1 && /** @type {number} */ (values[i]) < end) continue;
    throw new RangeError(`predict: ${describe(slot)} has ${values[i]} at ${i}, ${why}`);
  }
}

/** By tag, since `instanceof` fails for arrays of another frame. @param {unknown} value */
const kindOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
