import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';

/** @param {{ model: string, inputs: { shape: number[] }[], threads: number }} place */
export async function open({ model: folder, inputs: slots, threads }) {
  const [model] = await Promise.all([
    fetch(`${folder}model.tflite`).then((response) => response.arrayBuffer()),
    loadLiteRt('/node_modules/@litertjs/core/wasm/', { threads: threads > 1 }),
  ]);
  const compiled = await loadAndCompile(new Uint8Array(model), { accelerator: 'wasm', cpuOptions: { numThreads: threads } });
  return {
    about: `wasm, ${compiled.isFullyAccelerated ? 'all' : 'not all'} in XNNPACK`,
    async predict(values) {
      const inputs = values.map((each, i) => new Tensor(each, slots[i].shape));
      const outputs = await compiled.run(inputs);
      const read = outputs.map((tensor) => tensor.toTypedArray());
      for (const tensor of [...inputs, ...outputs]) tensor.delete();
      return read;
    },
  };
}
