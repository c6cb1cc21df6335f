// Runs models on a backend, in a page or in a worker, which is told which.

import { load } from '/bundle/index.js';
import { load as loadEcho } from '/echo/index.js';

/** @param {string} backend */
export async function predict(backend) {
  const x = Float32Array.of(1, 2, 3, 4);
  const model = await load(new URL('/bundle', location.href), { backend, profile: true });
  const { module, threads, fallbacks } = model;
  const calls = Array.from({ length: 10 }, (_, i) => model.predict(Float32Array.of(i, 2, 3, 4)));
  const ys = (await Promise.all(calls)).map(({ y }) => Array.from(y));
  const steps = (await model.profile(x)).map(({ step, ms }) => ({ step, ok: ms >= 0 && ms < 10_000 }));
  const chained = backend === 'webgpu' ? Array.from((await model.predict((await model.predict(x, { output: 'gpu' })).y)).y) : undefined;
  const found = { backend: model.backend, module, threads, fallbacks };
  model.dispose();
  const echo = await loadEcho(new URL('/echo', location.href), { backend });
  const outputs = await echo.predict({
    float32: Float32Array.of(0.5, -3), float64: Float64Array.of(0.25, 7), bool: Uint8Array.of(9, 0), int8: Int8Array.of(-128, 127),
    int16: Int16Array.of(-32768, 5), int32: Int32Array.of(-2147483648, 7), int64: BigInt64Array.of(-5n, 2147483647n),
    uint8: Uint8Array.of(255, 0), uint16: Uint16Array.of(65535, 1), uint32: Uint32Array.of(2147483647, 3), uint64: BigUint64Array.of(4n, 0n),
  });
  echo.dispose();
  const repeated = Object.entries(outputs).map(([name, array]) => [name, array.constructor.name, Array.from(array, String)]);
  return { found, ys, steps, repeated, chained };
}

if (typeof document === 'undefined') {
  onmessage = ({ data }) => predict(data).catch((error) => ({ error: `${error.name}: ${error.message}` })).then((found) => postMessage(found));
}
