// Loads a model many times over, in a page or in a worker, which is told how often.

import { load } from '/bundle/index.js';

const image = Float32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i)));

/** What has begun and not ended: a load that hangs cannot tell where. @type {string[]} */
export const pending = [];

/** @param {string} name @returns {() => void} For its end. */
function begin(name) {
  pending.push(name);
  return () => void pending.splice(pending.indexOf(name), 1);
}

/** Follows the promises of a method. @param {any} holder @param {string} method @param {string} name */
function follow(holder, method, name) {
  const call = holder?.[method];
  if (!call) return;
  holder[method] = function (...values) {
    const end = begin(name);
    const promise = call.apply(this, values);
    promise.then(end, end);
    return promise;
  };
}

follow(globalThis, 'fetch', 'fetch');
for (const method of ['compile', 'compileStreaming', 'instantiate']) follow(WebAssembly, method, `WebAssembly.${method}`);
follow(globalThis.SubtleCrypto?.prototype, 'digest', 'crypto.subtle.digest');
follow(globalThis.ReadableStreamBYOBReader?.prototype, 'read', 'reading');
follow(globalThis.ReadableStreamDefaultReader?.prototype, 'read', 'reading');
follow(globalThis.scheduler, 'postTask', 'scheduler.postTask');

const { setTimeout, Worker } = globalThis;
globalThis.setTimeout = (act, ...values) => {
  const end = begin('setTimeout');
  return setTimeout(() => (end(), act()), ...values);
};
globalThis.Worker = function (...values) {
  const started = begin('new Worker');
  const worker = new Worker(...values);
  started();
  const end = begin('the start of a thread');
  worker.addEventListener('message', end, { once: true });
  return worker;
};

/**
 * @param {number} times
 * @param {(found: { threads: number, fallbacks: readonly string[], digit: number[] }) => void} tell What each load came to.
 */
export async function loads(times, tell) {
  for (let i = 0; i < times; i++) {
    const loaded = begin('load');
    const model = await load(undefined, { threads: 2 });
    loaded();
    const predicted = begin('predict');
    const { digit } = await model.predict(image);
    predicted();
    tell({ threads: model.threads, fallbacks: model.fallbacks, digit: Array.from(digit) });
    model.dispose();
  }
}

if (typeof document === 'undefined') {
  onmessage = ({ data: { times } }) => {
    // Whoever asks for no loads asks what is pending.
    if (times) loads(times, postMessage).catch((error) => postMessage({ error: String(error) }));
    else postMessage({ pending });
  };
}
