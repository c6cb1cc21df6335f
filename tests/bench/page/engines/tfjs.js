// As ES modules its packages import Node's: these are scripts that share a global `tf`.
const packages = '/node_modules/@tensorflow/';
await import(`${packages}tfjs-core/dist/tf-core.es2017.min.js`);
await Promise.all(['backend-wasm', 'converter'].map((name) => import(`${packages}tfjs-${name}/dist/tf-${name}.es2017.min.js`)));
const { env, io, loadGraphModel, setBackend, tensor, wasm } = globalThis.tf;

/** @param {{ model: string, inputs: { shape: number[], dtype: string }[], threads: number }} place */
export async function open({ model: folder, inputs: slots, threads }) {
  wasm.setWasmPaths(`${packages}tfjs-backend-wasm/dist/`);
  // One thread runs faster in the module without threads.
  if (threads > 1) wasm.setThreadsCount(threads);
  else env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  // The model comes while the backend starts.
  const [artifacts] = await Promise.all([io.http(`${folder}tfjs/model.json`).load(), setBackend('wasm')]);
  const model = await loadGraphModel(io.fromMemory(artifacts));
  const names = Object.keys(model.modelSignature.inputs);
  const wanted = Object.keys(model.modelSignature.outputs);
  return {
    about: `wasm, SIMD${threads > 1 ? ', threads' : ''}`,
    async predict(values) {
      const inputs = values.map((each, i) => tensor(each, slots[i].shape, slots[i].dtype));
      const results = [model.execute(Object.fromEntries(names.map((name, i) => [name, inputs[i]])), wanted)].flat();
      const read = results.map((result) => result.dataSync());
      for (const each of [...inputs, ...results]) each.dispose();
      return read;
    },
  };
}
