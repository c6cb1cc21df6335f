// What TypeScript knows of a compiled model. Nothing runs: tsc must find exactly the errors that are expected here.
// `#one` has the input "image" float32 [1, 8, 8, 1] and the output "digit" float32 [1, 10];
// `#two` has the inputs "left/image" float32 [1, 4] and "ids" int64 [1, 3] and the outputs "a" float32 [1] and "b" bool [2].

import { BundleError, load, type Inputs, type Model, type Outputs } from '#one';
import * as two from '#two';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

export async function one(): Promise<void> {
  const model: Model = await load();
  await load('/dist');
  await load(new URL('https://host.example/dist/'), {
    backend: 'wasm',
    threads: 2,
    signal: new AbortController().signal,
    onProgress: ({ loaded, total }) => same<typeof loaded, typeof total>(true),
    fetch: (url, init) => fetch(url, { ...init, credentials: 'include' }),
  });
  await load('/dist', { fetch });
  // @ts-expect-error this bundle holds wasm only
  await load('/dist', { backend: 'webgpu' });
  await load('/dist', { backend: 'auto', warm: 'wasm' });
  await load('/dist', { backend: ['wasm'] });
  // @ts-expect-error nor is it in a list
  await load('/dist', { backend: ['webgpu', 'wasm'] });
  const device = await (await navigator.gpu.requestAdapter())?.requestDevice();
  await load('/dist', { device });
  // @ts-expect-error an adapter is no device
  await load('/dist', { device: await navigator.gpu.requestAdapter() });
  // @ts-expect-error no such option
  await load('/dist', { backends: ['wasm'] });

  const image = new Float32Array(64);
  const outputs = await model.predict({ image });
  same<typeof outputs, Outputs>(true);
  same<keyof Inputs, 'image'>(true);
  same<keyof Outputs, 'digit'>(true);
  same<Outputs['digit'], Float32Array>(true);
  await model.predict(image);
  await model.predict(new Uint8Array(64));
  await model.predict({ image: new Uint8ClampedArray(64) });
  const filled = await model.predict(image, { out: { digit: new Float32Array(10) } });
  same<typeof filled, Outputs>(true);
  // @ts-expect-error the output is float32
  await model.predict(image, { out: { digit: new Float64Array(10) } });
  await load('/dist', { threads: 'auto' });
  // @ts-expect-error a number or 'auto'
  await load('/dist', { threads: 'all' });
  same<typeof model.threads, number>(true);
  same<typeof model.fallbacks, readonly string[]>(true);
  const { digit } = await model.predict(image, { output: 'gpu' });
  same<typeof digit.buffer, GPUBuffer>(true);
  same<typeof digit.dtype, 'float32' | 'int32'>(true);
  same<typeof digit.shape, readonly number[]>(true);
  same<Outputs, Awaited<ReturnType<typeof onCpu>>>(true);
  const onCpu = () => model.predict(image, { output: 'cpu' });
  await model.predict(digit);
  await model.predict(digit.buffer);
  await model.predict({ image: digit });
  await model.predict({ image: digit.buffer });
  // @ts-expect-error one or the other
  await model.predict(image, { output: 'gpu', out: { digit: new Float32Array(10) } });
  // @ts-expect-error no such place
  await model.predict(image, { output: 'disk' });
  // @ts-expect-error no such input
  await model.predict({ other: digit });
  same<typeof model.settled, Promise<'wasm'>>(true);
  same<Awaited<ReturnType<typeof model.verify>>, string | undefined>(true);
  // @ts-expect-error float32 takes a Float32Array
  await model.predict(new Float64Array(64));
  // @ts-expect-error numbers alone are no typed array
  await model.predict({ image: [1, 2, 3] });
  // @ts-expect-error "image" is missing
  await model.predict({});
  // @ts-expect-error no such input
  await model.predict({ image, other: image });
  // @ts-expect-error no such output
  outputs.digits;

  same<(typeof model.inputs)[0]['name'], 'image'>(true);
  same<(typeof model.inputs)[0]['shape'], readonly [1, 8, 8, 1]>(true);
  same<(typeof model.outputs)[0]['dtype'], 'float32'>(true);
  same<(typeof model.inputs)['length'], 1>(true);
  same<typeof model.backend, 'wasm'>(true);
  const times = await model.profile(image);
  same<(typeof times)[number]['ms'], number>(true);
  same<(typeof times)[number]['gflops'], number | undefined>(true);
  same<ReturnType<typeof model.dispose>, void>(true);
  // @ts-expect-error what the model tells of itself cannot be changed
  model.inputs[0].shape[1] = 9;

  await load().catch((error: unknown) => {
    if (error instanceof BundleError) same<typeof error.url, string>(true);
  });
}

export async function several(): Promise<void> {
  const model = await two.load();
  const { a, b } = await model.predict({ 'left/image': new Float32Array(4), ids: new BigInt64Array(3) });
  same<typeof a, Float32Array>(true);
  same<typeof b, Uint8Array>(true);
  const gpu = await model.predict({ 'left/image': new Float32Array(4), ids: new BigInt64Array(3) }, { output: 'gpu' });
  await model.predict({ 'left/image': gpu.a.buffer, ids: new BigInt64Array(3) });
  // @ts-expect-error nor would a buffer
  await model.predict(gpu.a.buffer);
  // @ts-expect-error a bare array would not say which input it is
  await model.predict(new Float32Array(4));
  // @ts-expect-error int64 takes a BigInt64Array
  await model.predict({ 'left/image': new Float32Array(4), ids: new Int32Array(3) });
}
