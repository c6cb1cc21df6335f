import * as ort from 'onnxruntime-web/wasm';

/** @param {{ model: string, inputs: { shape: number[], dtype: string }[], threads: number }} place */
export async function open({ model, inputs: slots, threads }) {
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(`${model}model.onnx`, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
  return {
    about: 'wasm',
    async predict(values) {
      const tensors = values.map((each, i) => new ort.Tensor(slots[i].dtype, each, slots[i].shape));
      const results = await session.run(Object.fromEntries(session.inputNames.map((name, i) => [name, tensors[i]])));
      return session.outputNames.map((name) => results[name].data);
    },
  };
}
