import { load } from './model/index.js';

/** Predicts on two threads. */
async function predict() {
  const model = await load(undefined, { threads: 2 });
  const { digit } = await model.predict(new Float32Array(64));
  return { threads: model.threads, fallbacks: model.fallbacks, digit: Array.from(digit) };
}
window.results = await predict().catch((error) => ({ error: String(error) }));
