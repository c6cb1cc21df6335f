// As ES modules its packages import Node's: these are scripts that share a global `tf`.
const packages = '/node_modules/@tensorflow/';
const script = (name) => import(`${packages}tfjs-${name}/dist/tf-${name}.es2017.min.js`);

/** What is said of each backend once it is ready. */
const backends = {
  async wasm(threads) {
    const { env, setBackend, wasm } = globalThis.tf;
    wasm.setWasmPaths(`${packages}tfjs-backend-wasm/dist/`);
    // One thread runs faster in the module without threads.
    if (threads > 1) wasm.setThreadsCount(threads);
    else env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    await setBackend('wasm');
    return `wasm, SIMD${threads > 1 ? ', threads' : ''}`;
  },
  async webgl() {
    const { env, setBackend } = globalThis.tf;
    await setBackend('webgl');
    return `WebGL ${env().get('WEBGL_VERSION')}${env().get('WEBGL_PACK') ? ', packed' : ''}`;
  },
};

/** @param {{ model: string, files: Record<string, string>, inputs: { shape: number[], dtype: string }[], backend: string, threads: number }} place */
export async function open({ model: folder, files, inputs: slots, backend, threads }) {
  await script('core');
  await Promise.all([`backend-${backend}`, 'converter'].map(script));
  const { io, loadGraphModel, tensor } = globalThis.tf;
  // The model comes while the backend starts.
  const [artifacts, about] = await Promise.all([io.http(folder + files.tfjs).load(), backends[backend](threads)]);
  const model = await loadGraphModel(io.fromMemory(artifacts));
  const names = Object.keys(model.modelSignature.inputs);
  const wanted = Object.keys(model.modelSignature.outputs);
  return {
    about,
    async predict(values) {
      const inputs = values.map((each, i) => tensor(each, slots[i].shape, slots[i].dtype));
      const results = [model.execute(Object.fromEntries(names.map((name, i) => [name, inputs[i]])), wanted)].flat();
      const read = await Promise.all(results.map((result) => result.data()));
      for (const each of [...inputs, ...results]) each.dispose();
      return read;
    },
  };
}
