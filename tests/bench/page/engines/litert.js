import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';

/** @param {{ model: string, files: Record<string, string>, inputs: { shape: number[] }[], backend: string, threads: number }} place */
export async function open({ model: folder, files, inputs: slots, backend, threads }) {
  const [model] = await Promise.all([
    fetch(folder + files.litert).then((response) => response.arrayBuffer()),
    loadLiteRt('/node_modules/@litertjs/core/wasm/', { threads: threads > 1 }),
  ]);
  const compiled = await loadAndCompile(new Uint8Array(model), backend === 'wasm'
    ? { accelerator: 'wasm', cpuOptions: { numThreads: threads } }
    : { accelerator: backend });
  return {
    about: `${backend}, ${compiled.isFullyAccelerated ? 'all' : 'not all'} accelerated`,
    async predict(values) {
      const inputs = values.map((each, i) => new Tensor(each, slots[i].shape));
      const outputs = await compiled.run(inputs);
      const read = await Promise.all(outputs.map((tensor) => tensor.data()));
      for (const tensor of [...inputs, ...outputs]) tensor.delete();
      return read;
    },
  };
}
