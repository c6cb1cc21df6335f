import { load } from '/bundle/index.js';

/** Loads the model from where `load` finds it and from an address, and tells what came out. */
export async function predict() {
  const progress = [];
  const model = await load(undefined, { onProgress: (p) => progress.push(p) });
  const other = await load('/bundle');
  const x = Float32Array.of(1, 2, 3, 4);
  return {
    module: model.module,
    first: Array.from((await model.predict({ x })).y),
    second: Array.from((await other.predict(x)).y),
    progress,
    secure: isSecureContext,
    isolated: crossOriginIsolated,
  };
}
