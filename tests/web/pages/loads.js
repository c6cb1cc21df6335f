// Loads a model many times over, in a page or in a worker, which is told how often.

import { load } from '/bundle/index.js';

const image = Float32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i)));

/**
 * @param {number} times
 * @param {(found: { threads: number, fallbacks: readonly string[], digit: number[] }) => void} tell What each load came to.
 */
export async function loads(times, tell) {
  for (let i = 0; i < times; i++) {
    const model = await load(undefined, { threads: 2 });
    const { digit } = await model.predict(image);
    tell({ threads: model.threads, fallbacks: model.fallbacks, digit: Array.from(digit) });
    model.dispose();
  }
}

if (typeof document === 'undefined') {
  onmessage = ({ data }) => loads(data, postMessage).catch((error) => postMessage(String(error)));
}
