// A model that answers before all of its weights are there: a prediction goes as far as those that have arrived allow.

import { isTensor } from './tensor.js';

/** @import { Arrival as Arrivals, Bundle, Check, Engine, Manifest, Section, Value, Walk } from './internal.js' */

/** Files of weights on their way at a time: the first should not share the line with the last, nor the line be idle between two. */
const AT_A_TIME = 3;

/** The same bundle with files of weights that come in the order in which they are asked for. @param {Bundle} bundle @param {Section} [section] Of the backend. @returns {Bundle} */
export function arriving(bundle, section) {
  let free = AT_A_TIME;
  /** @type {((value?: undefined) => void)[]} */
  const waiting = [];
  return {
    ...bundle,
    arrival: new Arrival(section?.ready, bundle.stopped),
    async fill(name, target) {
      if (free) free--;
      else await new Promise((/** @type {(value?: undefined) => void} */ go) => waiting.push(go));
      try {
        await bundle.fill(name, target);
      } finally {
        const go = waiting.shift();
        if (go) go();
        else free++;
      }
    },
  };
}

/** What there is for each file of weights, in the order in which they are needed. @template T @param {T[]} all @param {Manifest['weights']} weights */
export const inOrder = (all, { order }) => order?.map((i) => /** @type {T} */ (all[i])) ?? all;

/** Whether an order has each file once, if there is one. @type {Check} */
export const isOrder = ({ order, shards }) => order === undefined ||
  (Array.isArray(order) && order.length === shards.length && [...order].sort((a, b) => a - b).every((place, i) => place === i));

/** How far the weights have come, and what is done meanwhile. @implements {Arrivals} */
export class Arrival {
  #ready;
  #stopped;
  /** Files that are there, by their turn. @type {boolean[]} */
  #there = [];
  /** So many of the first are there. */
  #count = 0;
  #more = () => {};
  /** Resolves when another one is there. @type {Promise<unknown>} */
  #next = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (this.#more = resolve));
  /** Resolves when all are. @type {Promise<unknown>} */
  #whole = Promise.resolve();
  /** The first prediction. @type {Promise<any> | undefined} */
  #first;

  /** @param {Section['ready']} ready @param {AbortSignal} stopped */
  constructor(ready, stopped) {
    this.#ready = ready;
    this.#stopped = stopped;
  }

  /** A file is there and what it needs is prepared. @param {number} turn Its place in the order of files. */
  has(turn) {
    this.#there[turn] = true;
    while (this.#there[this.#count]) this.#count++;
    const more = this.#more;
    this.#next = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (this.#more = resolve));
    more();
  }

  /**
   * What can work without weights, unless these fail before.
   * @template T
   * @param {Promise<T>} opened
   * @param {Promise<unknown>} whole The end of all weights.
   */
  async wait(opened, whole) {
    this.#whole = whole.catch((error) => {
      throw this.#stopped.aborted ? this.#stopped.reason : error;
    });
    this.#whole.catch(() => {});
    await Promise.race([opened, whole]);
    return opened;
  }

  /** Has a prediction run by parts, as far as it can be until all weights are there; gives the step that is next. @type {Walk} */
  #walk = async (run) => {
    let from = 0;
    let there = false;
    const whole = this.#whole.then(() => (there = true));
    // It may fail while steps are run.
    whole.catch(() => {});
    while (!there) {
      const end = this.#ready?.[this.#count - 1]?.[1] ?? 0;
      const next = this.#next;
      if (end > from) await run(from, (from = end));
      else await Promise.race([next, whole]);
    }
    return from;
  };

  /** Lets an engine answer from now on. @template {Engine} T @param {T} engine */
  answer(engine) {
    const [predict, profile, check] = [engine.predict.bind(engine), engine.profile.bind(engine), engine.check];
    /** @param {Value[]} values */
    const copy = (values) => values.map((value) => (isTensor(value) ? value : value.slice()));
    const ready = this.#whole.then(async () => {
      await this.#first?.catch(() => {});
      const wrong = await check?.();
      if (wrong) throw new Error(`the model cannot run here, because ${wrong}`);
      Object.assign(engine, { predict, profile, check });
    });
    ready.catch(() => engine.dispose());
    return Object.assign(engine, {
      ready,
      /** @type {Engine['predict']} */
      predict: (values, out, onGpu) => {
        const copies = copy(values);
        if (this.#first) return ready.then(() => predict(copies, out, onGpu));
        const first = (this.#first = /** @type {NonNullable<Engine['inParts']>} */ (engine.inParts)(copies, this.#walk, out, onGpu));
        // Its end may be that of the weights, too.
        first.catch(() => {});
        return ready.then(() => first);
      },
      /** @type {Engine['profile']} */
      profile: (values) => {
        const copies = copy(values);
        return ready.then(() => profile(copies));
      },
      check: check && (() => ready.then(check)),
    });
  }
}
