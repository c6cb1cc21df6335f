/** @param {{ model: string, files: Record<string, string>, inputs: { shape: number[], dtype: string }[], backend: string, threads: number }} place */
export async function open({ model, files, inputs: slots, backend, threads }) {
  const ort = await import(`onnxruntime-web/${backend}`);
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(model + files.ort, { executionProviders: [backend], graphOptimizationLevel: 'all' });
  return {
    about: backend,
    async predict(values) {
      const tensors = values.map((each, i) => new ort.Tensor(slots[i].dtype, each, slots[i].shape));
      const results = await session.run(Object.fromEntries(session.inputNames.map((name, i) => [name, tensors[i]])));
      return session.outputNames.map((name) => results[name].data);
    },
  };
}
