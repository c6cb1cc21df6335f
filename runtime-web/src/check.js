// Whether a GPU computes what it should: kernels on numbers that are made here as the compiler made them, and samples of their
// results. `compiler/src/check` says what the file holds, and how the numbers are made.

/** @import { Checked, CheckFile, Fault, Fill, Sample } from './internal.js' */

/** Elements after which a pattern repeats, and how far the pattern of a buffer is ahead of that of the one before. */
const PERIOD = 65521;
const AHEAD = 7919;

/** What floats are, by the hash of their element. @type {Record<string, (hash: number) => number>} */
const floats = {
  wide: (hash) => floats.unit(hash) * (hash & 15 ? 1 : 64),
  unit: (hash) => (hash >>> 8) / 2 ** 23 - 1,
  positive: (hash) => (hash >>> 9) / 2 ** 23 + 0.5,
};

/** @param {string} content @param {number} below @param {number} seed One period, as bits. */
function pattern(content, below, seed) {
  const words = new Uint32Array(PERIOD);
  const values = content === 'integers' ? words : new Float32Array(words.buffer);
  const start = Math.imul(seed, 0x9e3779b9);
  for (let i = 0; i < PERIOD; i++) {
    let hash = (start + i) | 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash = (hash ^ (hash >>> 16)) >>> 0;
    values[i] = below ? hash % below : floats[content](hash);
  }
  return words;
}

/** Makes the words of fills; patterns are made once. */
export function filler() {
  /** @type {Map<string, Uint32Array>} */
  const patterns = new Map();
  return (/** @type {Fill} */ [buffer, offset, length, content, below], /** @type {number} */ seed) => {
    const key = [content, below, seed].join();
    const period = patterns.get(key) ?? pattern(content, below, seed);
    patterns.set(key, period);
    const words = new Uint32Array(length / 4);
    let from = (offset / 4 + AHEAD * buffer) % PERIOD;
    for (let at = 0; at < words.length; from = 0) {
      const part = period.subarray(from, from + words.length - at);
      words.set(part, at);
      at += part.length;
    }
    return words;
  };
}

/** One float and its bits. */
const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);
const floatOf = (/** @type {number} */ word) => ((bits[0] = word), float[0]);

/**
 * The first sample that is not as it should be.
 * @param {Sample[]} samples
 * @param {ArrayLike<number>} words What was found for each, as bits.
 * @param {number} [slack] How many times the tolerance is allowed: more than 1 for halves.
 * @returns {Omit<Fault, 'name' | 'round'> | undefined}
 */
export function firstDifference(samples, words, slack = 1) {
  for (const [i, [byte, expected, tolerance]] of samples.entries()) {
    const found = floatOf(words[i]);
    // A NaN is not close to anything.
    const close = tolerance && Math.abs(found - floatOf(expected)) <= tolerance * slack;
    if (words[i] !== expected && !close) return { byte, expected: floatOf(expected), found };
  }
  return undefined;
}

/**
 * The first kernel, or else the first output of the network, that is wrong. Each is asked for both patterns and then for
 * the first again: some GPUs are right the first time only.
 * @param {CheckFile} check
 * @param {Checked} gpu
 * @param {number} [slack] As for `firstDifference`.
 * @returns {Promise<Fault | undefined>}
 */
export async function firstFault({ kernels, network }, gpu, slack) {
  const fill = filler();
  const bytes = (/** @type {Sample[]} */ samples) => samples.map(([byte]) => byte);
  const write = (/** @type {Fill[]} */ fills, /** @type {number} */ seed) =>
    fills.forEach((part) => gpu.write(part[0], part[1], fill(part, seed)));
  /** Asks for the results of a kernel in all rounds. @param {CheckFile['kernels'][number]} kernel */
  const ask = ({ name, step, dispatches, fills, buffer, patterns }) => [...patterns, patterns[0]].map(({ seed, samples }, round) => {
    write(fills, seed);
    gpu.run(step, dispatches);
    const words = Promise.resolve(gpu.read(buffer, bytes(samples)));
    // One that nobody waits for any more may fail as well.
    words.catch(() => {});
    return { name, round, samples, words };
  });
  /** @type {ReturnType<typeof ask>} */
  let asked = [];
  for (const kernel of [...kernels, undefined]) {
    // The GPU works on the next kernel while the results of the last are on their way.
    const before = asked;
    asked = kernel ? ask(kernel) : [];
    for (const { name, round, samples, words } of before) {
      const difference = firstDifference(samples, await words, slack);
      if (difference) return { name, round, ...difference };
    }
  }
  for (const round of network ? [0, 1] : []) {
    const { seed, inputs, outputs } = /** @type {NonNullable<typeof network>} */ (network);
    write(inputs, seed);
    gpu.predict();
    const found = outputs.map(({ buffer, samples }) => gpu.read(buffer, bytes(samples)));
    for (const [i, { samples }] of outputs.entries()) {
      const difference = firstDifference(samples, await found[i], slack);
      if (difference) return { name: `output ${i}`, round, ...difference };
    }
  }
  return undefined;
}
