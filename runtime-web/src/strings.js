// What is done to strings outside of tensors: before a prediction they become numbers, behind it numbers become strings.

import { crossed, fingerprint64, sipHash } from './hash.js';
import { isObject, listOf, object, optional, plainName, text, whole } from './manifest.js';
import { zeros } from './tensor.js';

/** @import { Bundle, Check, Manifest, Slot, Speaking, StringStep, Value, Words } from './internal.js' */

/** Punctuation as `TextVectorization` defines it. */
const PUNCTUATION = /[!"#$%&()*+,\-./:;<=>?@[\\\]^_`{|}~']/g;
/** Whitespace of ASCII, at which `tf.strings.split` splits. */
const SPACE = /[ \t\n\v\f\r]+/;

const bytesOf = (/** @type {string} */ string) => new TextEncoder().encode(string);

/** Does something to each element, be it in a row. @param {any[]} values @param {(value: any) => any} f @returns {any[]} */
const each = (values, f) => values.map((value) => (Array.isArray(value) ? value.map(f) : f(value)));

/** The text of an integer, whose fraction is cut off. @param {string | number | bigint} value */
const written = (value) => (typeof value === 'number' ? String(BigInt(Math.trunc(value))) : String(value));

/** @param {readonly [string, string] | undefined} key What hashes a string. */
function hasher(key) {
  if (!key) return (/** @type {string} */ string) => fingerprint64(bytesOf(string));
  const halves = /** @type {[bigint, bigint]} */ (key.map(BigInt));
  return (/** @type {string} */ string) => sipHash(bytesOf(string), halves);
}

/** All n-grams of a row, one width after the other. @param {string[]} row @param {number[]} widths */
const ngrams = (row, widths) =>
  widths.flatMap((width) => row.slice(width - 1).map((_, i) => row.slice(i, i + width).join(' ')));

/** @param {number[]} row @param {number} depth @param {boolean} hot */
function counted(row, depth, hot) {
  const counts = new Array(depth).fill(0);
  for (const place of row) {
    if (place >= 0 && place < depth) counts[place] = hot ? 1 : counts[place] + 1;
  }
  return counts;
}

/** What gives the place of a string. @param {Extract<StringStep, { do: 'lookup' }>} step @param {string[]} tokens */
function finder({ layer, first, mask, outside, place, key }, tokens) {
  const places = new Map(tokens.map((token, i) => [token, first + i]));
  const hash = hasher(key);
  if (mask) places.set(...mask);
  return (/** @type {string} */ string) => {
    const found = places.get(string);
    if (found !== undefined) return found;
    if (outside === 1) return place;
    if (!outside) throw new RangeError(`predict: ${JSON.stringify(string)} is not in the vocabulary of layer "${layer}", which takes no others`);
    return place + Number(hash(string) % BigInt(outside));
  };
}

/** What makes a value of those before it. @param {StringStep} step @param {string[][]} vocabularies @returns {(values: any[][]) => any[]} */
function maker(step, vocabularies) {
  switch (step.do) {
    case 'lower': return (values) => each(values[step.of] ?? [], (string) => string.replace(/[A-Z]+/g, (/** @type {string} */ some) => some.toLowerCase()));
    case 'strip': return (values) => each(values[step.of] ?? [], (string) => string.replace(PUNCTUATION, ''));
    case 'words': return (values) => each(values[step.of] ?? [], (string) => string.split(SPACE).filter(Boolean));
    case 'characters': return (values) => each(values[step.of] ?? [], (string) => Array.from(string));
    case 'rows': return (values) => {
      const all = values[step.of] ?? [];
      return Array.from({ length: all.length / step.length }, (_, i) => all.slice(i * step.length, (i + 1) * step.length));
    };
    case 'ngrams': return (values) => (values[step.of] ?? []).map((row) => ngrams(row, step.widths));
    case 'fit': return (values) => (values[step.of] ?? []).flatMap((row) => Array.from({ length: step.length }, (_, i) => row[i] ?? ''));
    case 'lookup': {
      const find = finder(step, vocabularies[step.vocabulary] ?? []);
      return (values) => each(values[step.of] ?? [], find);
    }
    case 'count': return (values) => (values[step.of] ?? []).flatMap((row) => counted(row, step.depth, step.hot));
    case 'hash': {
      const [hash, bins, { mask }] = [hasher(step.key), BigInt(step.bins), step];
      const from = mask === undefined ? 0 : 1;
      return (values) => each(values[step.of] ?? [], (value) => (String(value) === mask ? 0 : from + Number(hash(written(value)) % bins)));
    }
    case 'cross': {
      const bins = BigInt(step.bins);
      const hash = (/** @type {string | number | bigint} */ value) =>
        typeof value === 'string' ? fingerprint64(bytesOf(value)) : BigInt.asUintN(64, BigInt(value));
      return (values) => {
        const columns = step.of.map((of) => values[of] ?? []);
        return (columns[0] ?? []).map((_, i) => Number(crossed(columns.map((column) => hash(column[i]))) % bins));
      };
    }
  }
}

/** The string at each place. @param {ArrayLike<number>} places @param {Words} words @param {string[]} tokens */
const spoken = (places, { first, mask, other = '' }, tokens) =>
  Array.from(places, (place) => (mask && place === mask[1] ? mask[0] : tokens[place - first] ?? other));

/**
 * What goes through the steps of a bundle, when its vocabularies have been read.
 * @param {Bundle} bundle
 * @returns {Promise<Speaking | undefined>}
 */
export async function openStrings(bundle) {
  const { inputs, outputs, strings } = bundle.manifest;
  if (!strings) return undefined;
  const { steps, vocabularies: file } = strings;
  /** @type {string[][]} */
  const vocabularies = file === undefined ? [] : await bundle.json(file);
  const makers = steps.map((step) => maker(step, vocabularies));
  const slots = inputs.filter(({ state }) => state === undefined);
  return {
    inputs: strings.inputs,
    prepare(values) {
      // Buffers on a GPU go where they were going.
      const all = values.map((value) => (Array.isArray(value) ? value : ArrayBuffer.isView(value) ? Array.from(/** @type {any} */ (value)) : []));
      makers.forEach((make) => all.push(make(all)));
      return slots.map((slot) => {
        const of = /** @type {number} */ (slot.of);
        if (of < values.length) return /** @type {Value} */ (values[of]);
        const array = /** @type {any} */ (zeros(slot));
        array.set(all[of]);
        return array;
      });
    },
    speak(given, targets) {
      outputs.forEach(({ name, words }, i) => {
        if (!words) return;
        const strings = spoken(/** @type {any} */ (given)[name], words, vocabularies[words.vocabulary] ?? []);
        const target = /** @type {string[] | undefined} */ (targets?.[i]);
        strings.forEach((string, at) => target && (target[at] = string));
        /** @type {any} */ (given)[name] = target ?? strings;
      });
      return given;
    },
  };
}

const words = { vocabulary: whole, first: whole, mask: optional((pair) => Array.isArray(pair) && text(pair[0]) && Number.isInteger(pair[1])), other: optional(text) };
/** @type {Check} */
const key = optional((halves) => listOf((half) => text(half) && /^\d{1,20}$/.test(half))(halves) && halves.length === 2);
/** @type {Check} */
const positive = (value) => whole(value) && value > 0;

/** What each step is made of. @type {Record<StringStep['do'], Check>} */
const made = {
  lower: object({ of: whole }),
  strip: object({ of: whole }),
  words: object({ of: whole }),
  characters: object({ of: whole }),
  rows: object({ of: whole, length: positive }),
  ngrams: object({ of: whole, widths: listOf(positive) }),
  fit: object({ of: whole, length: whole }),
  lookup: object({ of: whole, layer: text, ...words, outside: whole, place: whole, key }),
  count: object({ of: whole, depth: whole, hot: (value) => typeof value === 'boolean' }),
  hash: object({ of: whole, bins: positive, mask: optional(text), key }),
  cross: object({ of: listOf(whole), bins: positive }),
};

/** Whether what a manifest says of strings makes sense. @param {Manifest} manifest */
export function checkStrings({ inputs, outputs, strings }) {
  if (!strings) return true;
  const { inputs: passed, steps, vocabularies } = /** @type {any} */ (strings);
  const slot = object({ name: text, shape: listOf(whole), dtype: text });
  if (!isObject(strings) || !listOf(slot)(passed) || !Array.isArray(steps) || !optional(plainName)(vocabularies)) return false;
  const sound = steps.every((step, i) => {
    const check = isObject(step) && Object.hasOwn(made, step.do) && made[/** @type {StringStep['do']} */ (step.do)];
    return check && check(step) && [step.of].flat().every((of) => of < passed.length + i);
  });
  const behind = passed.length + steps.length;
  return sound && outputs.every((slot) => optional(object(words))(slot.words)) &&
    inputs.every((/** @type {Slot} */ { state, of }) => state !== undefined || (whole(of) && /** @type {number} */ (of) < behind));
}
