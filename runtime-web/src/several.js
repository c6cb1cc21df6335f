// Several backends beside each other: one that answers until another is there, which of two answers sooner, and whether they
// agree.

import { because } from './source.js';
import { EXACT, zeros } from './tensor.js';

/** @import { Outputs, TensorData } from './index.js' */
/** @import { Bundle, Comparing, Running, Slot, Verifying, Warming } from './internal.js' */

/**
 * One backend answers until another one is there.
 * @type {Warming}
 */
export async function answerUntil(loading, warm, names) {
  const { first, second, end } = share();
  const early = loading.choose([warm], first);
  early.then(({ running }) => running?.engine.ready).catch(end);
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
 * Lets one backend copy the weights that another one reads, so that they are fetched once. They are copied before that one goes on,
 * since what it prepares of them may lie over them.
 * @returns {{ first(bundle: Bundle): Bundle, second(bundle: Bundle): Bundle, end(): void }}
 */
function share() {
  /** Shards that the first has read. @type {Set<string>} */
  const arrived = new Set();
  /** Those that nobody has asked for yet. @type {Map<string, Uint8Array>} */
  const copies = new Map();
  /** Gives shards to who waits for them, or nothing. @type {Map<string, (bytes?: Uint8Array) => void>} */
  const waiting = new Map();
  let over = false;
  return {
    first: (bundle) => ({
      ...bundle,
      async fill(name, target) {
        await bundle.fill(name, target);
        if (over) return;
        arrived.add(name);
        const give = waiting.get(name);
        if (give) give(target);
        else copies.set(name, target.slice());
      },
    }),
    second(bundle) {
      const shards = new Set(bundle.manifest.weights.shards);
      const own = bundle.again();
      /** Whether the shard was there, or came. @param {string} name @param {Uint8Array} target */
      const take = async (name, target) => {
        const copy = copies.get(name);
        copies.delete(name);
        if (copy) target.set(copy);
        // Who tried another backend before has taken it.
        if (copy || over || arrived.has(name) || !shards.has(name)) return !!copy;
        return new Promise((/** @type {(found: boolean) => void} */ resolve) => {
          waiting.set(name, (bytes) => {
            if (bytes) target.set(bytes);
            waiting.delete(name);
            resolve(!!bytes);
          });
        });
      };
      return {
        ...own,
        async fill(name, target) {
          if (!(await take(name, target))) await own.fill(name, target);
        },
      };
    },
    end() {
      over = true;
      waiting.forEach((give) => give());
      copies.clear();
    },
  };
}

/** Predictions of which the fastest counts. */
const TRIES = 3;

/** A time that nobody can complain about, in milliseconds: where a GPU takes less, nothing else is tried. */
const SOON = 1;

/**
 * Reading from a GPU takes longer than a small network does elsewhere: whichever answers sooner is taken.
 * @type {Comparing}
 */
export async function quicker(running, open, slots) {
  if (!running.engine.small) return { running, fallbacks: [] };
  const mine = await timeOf(running, slots);
  if (mine < SOON) return { running, fallbacks: [] };
  const other = await open().catch(() => undefined);
  if (!other) return { running, fallbacks: [] };
  const theirs = await timeOf(other, slots);
  const [taken, left, sooner, later] = theirs < mine ? [other, running, theirs, mine] : [running, other, mine, theirs];
  left.engine.dispose();
  const why = `${taken.backend} was taken instead of ${left.backend}, because it answers in ${sooner.toFixed(1)} ms, not ${later.toFixed(1)} ms.`;
  return { running: taken, fallbacks: taken === other ? [why] : [] };
}

/** Milliseconds of a prediction on zeros. @param {Running} running @param {Slot[]} slots The inputs. */
async function timeOf({ engine }, slots) {
  const values = slots.map(zeros);
  let best = Infinity;
  for (let i = 0; i < TRIES; i++) {
    const begin = performance.now();
    await engine.predict(values);
    best = Math.min(best, performance.now() - begin);
  }
  return best;
}

/** How far outputs of two backends may be apart, of the largest. */
const APART = 1e-3;

/**
 * Compares the whole network on two backends.
 * @type {Verifying}
 */
export async function compareWith({ engine, backend }, open, slots, given) {
  const values = given ?? slots.map(numbers);
  const { running } = await open();
  const other = /** @type {Running} */ (running);
  try {
    const [mine, theirs] = /** @type {Outputs[]} */ (await Promise.all([engine.predict(values), other.engine.predict(values)]));
    for (const name of Object.keys(theirs)) {
      const [found, expected] = [mine, theirs].map((outputs) => Array.from(/** @type {any} */ (outputs)[name], Number));
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // Not (a > b), so that NaN is found too.
      const i = found.findIndex((value, i) => !(Math.abs(value - expected[i]) <= APART * largest) && !Object.is(value, expected[i]));
      if (i >= 0) return `output "${name}" has ${found[i]} at ${i} on ${backend}, and ${expected[i]} on ${other.backend}`;
    }
    return undefined;
  } finally {
    other.engine.dispose();
  }
}

/** Numbers that look like nothing in particular, in the range of an input. @param {Slot} slot @returns {TensorData} */
function numbers(slot) {
  const values = /** @type {any} */ (zeros(slot));
  const [first, end] = slot.range && slot.range[0] > -EXACT ? slot.range : [0, 2];
  const whole = slot.range !== undefined || !slot.dtype.startsWith('float');
  const big = typeof values[0] === 'bigint';
  for (let i = 0; i < values.length; i++) {
    const share = (Math.imul(i + 1, 0x9e3779b1) >>> 0) / 2 ** 32;
    const value = whole ? first + Math.floor(share * (end - first)) : 2 * share - 1;
    values[i] = big ? BigInt(value) : value;
  }
  return values;
}
