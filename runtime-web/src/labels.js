// Names of classes: the likeliest ones of what a network gives.

import { BundleError } from './source.js';
import { topk } from './tensor.js';

/** @import { Bundle, Labels } from './internal.js' */
/** @import { Model } from './index.js' */

/** exp(x) / Σ exp(x) of some scores. @param {ArrayLike<number>} scores */
function softmax(scores) {
  const largest = topk(scores, 1)[0]?.value ?? 0;
  const powers = Array.from(scores, (score) => Math.exp(score - largest));
  const sum = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / sum);
}

/** What a manifest says of labels, if it makes sense. @param {Bundle} bundle @returns {Promise<string[]>} */
export async function openLabels({ manifest: { labels, outputs }, url, json }) {
  // Another bundle may have none.
  if (labels === undefined) return [];
  const { file, output, softmax: ends } = labels;
  const slot = outputs.find(({ name }) => name === output);
  const sound = slot && typeof file === 'string' && typeof ends === 'boolean';
  const names = sound ? await json(file) : undefined;
  if (!Array.isArray(names) || names.length !== slot?.shape.at(-1)) throw new BundleError(url, 'has a "labels" that makes no sense; compile the model anew');
  return names;
}

/** Lets a model name classes. @param {Model} model @param {Labels} labels @param {string[]} names */
export function nameClasses(model, { output, softmax: ends }, names) {
  /** @type {any} */ (model).classify = async (/** @type {any} */ x, /** @type {{ top?: number | undefined }} */ { top = 5 } = {}) => {
    if (!(Number.isInteger(top) && top > 0)) throw new RangeError(`classify: top is ${top}; pass a whole number from 1`);
    const scores = /** @type {Float32Array} */ (/** @type {any} */ (await model.predict(x))[output]);
    const samples = Array.from({ length: scores.length / names.length }, (_, i) => {
      const all = scores.subarray(i * names.length, (i + 1) * names.length);
      const shares = ends ? softmax(all) : all;
      return topk(shares, top).map(({ index, value }) => ({ label: /** @type {string} */ (names[index]), index, score: value }));
    });
    return samples.length === 1 ? samples[0] : samples;
  };
}
