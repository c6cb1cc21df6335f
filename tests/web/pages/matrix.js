// Runs goldens out of a pack on a backend, in a page or in a worker, which is told which.

import { load } from '/dist/index.js';

/** Pages have one device, as creating one takes long; pipelines that are the same are made once where they are kept. */
let device;
const pipelines = [];

async function sharedDevice() {
  if (device) return device;
  const found = await (await navigator.gpu.requestAdapter()).requestDevice();
  const create = found.createComputePipelineAsync.bind(found);
  found.createComputePipelineAsync = async (descriptor) => {
    const pipeline = await create(descriptor);
    pipelines.push(pipeline);
    return pipeline;
  };
  found.lost.then(() => (device = undefined));
  return (device = found);
}

/** The goldens of a pack: the header's length, the header, and what that points into. @param {string} url */
async function open(url) {
  const buffer = await (await fetch(url)).arrayBuffer();
  const [length] = new Uint32Array(buffer, 0, 1);
  const cases = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const bytes = ([at, size]) => new Uint8Array(buffer, 4 + length + at, size);
  const array = (place) => place.strings ?? new Float32Array(buffer, 4 + length + place[0], place[1] / 4);
  const arrays = (places) => Object.fromEntries(Object.entries(places).map(([name, place]) => [name, array(place)]));
  const prediction = ({ inputs, expected }) => ({ inputs: arrays(inputs), expected: arrays(expected) });
  return cases.map(({ name, files, predictions, rtol, atol }) => ({
    name, rtol, atol, predictions: predictions.map(prediction), file: (name) => files[name] && bytes(files[name]),
  }));
}

/** Per element: atol * max(0.01, largest) + rtol * |expected|. */
function difference(found, { expected, rtol, atol }) {
  const [names, wanted] = [found, expected].map((outputs) => Object.keys(outputs).sort().join());
  if (names !== wanted) return `it gives ${names} instead of ${wanted}`;
  for (const [name, values] of Object.entries(expected)) {
    if (found[name].length !== values.length) return `${name} has ${found[name].length} elements, not ${values.length}`;
    if (Array.isArray(values)) {
      const at = values.findIndex((value, i) => found[name][i] !== value);
      if (at >= 0) return `${name}[${at}] is ${found[name][at]}, Keras says ${values[at]}`;
      continue;
    }
    const scale = values.reduce((largest, value) => (Number.isFinite(value) ? Math.max(largest, Math.abs(value)) : largest), 0.01);
    for (const [i, value] of values.entries()) {
      const close = Math.abs(found[name][i] - value) <= atol * scale + rtol * Math.abs(value);
      if (!close && !Object.is(found[name][i], value) && found[name][i] !== value) return `${name}[${i}] is ${found[name][i]}, Keras says ${value} (largest ${scale})`;
    }
  }
  return undefined;
}

/** What is wrong with a golden, if anything is. */
async function fault(golden, backend) {
  const types = { wasm: 'application/wasm', json: 'application/json' };
  const read = async (href) => {
    const name = new URL(href).pathname.split('/').at(-1);
    const body = golden.file(name);
    return new Response(body, { status: body ? 200 : 404, headers: { 'content-type': types[name.split('.').at(-1)] ?? 'text/plain' } });
  };
  const options = { backend, threads: 1, fetch: read, ...(backend === 'webgpu' && { device: await sharedDevice() }) };
  const model = await load(new URL('/pack/', location.href), options);
  try {
    if (model.backend !== backend || model.fallbacks.length) return `it runs on ${model.backend}: ${model.fallbacks.join(' ')}`;
    const { rtol, atol, predictions } = golden;
    // All are asked for at once: one after the other is how they are answered.
    const all = await Promise.all(predictions.map(({ inputs }) => model.predict(inputs)));
    for (const [number, { expected }] of predictions.entries()) {
      const wrong = difference(all[number], { expected, rtol, atol });
      if (wrong) return `prediction ${number}: ${wrong}`;
    }
    model.resetStates();
    const second = await model.predict(predictions[0].inputs);
    const changed = difference(second, { expected: all[0], rtol: 0, atol: 0 });
    return changed && `the second prediction differs: ${changed}`;
  } finally {
    model.dispose();
  }
}

/** @param {{ url: string, backend: string }} pack @returns {Promise<{ cases: number, faults: string[] }>} */
export async function run({ url, backend }) {
  const goldens = await open(url);
  const faults = [];
  for (const golden of goldens) {
    const wrong = await fault(golden, backend).catch((error) => String(error?.message ?? error));
    if (wrong) faults.push(`${golden.name}: ${wrong}`);
  }
  return { cases: goldens.length, faults };
}

if (typeof document === 'undefined') {
  onmessage = ({ data }) => run(data).catch((error) => ({ cases: 0, faults: [String(error?.message ?? error)] })).then((found) => postMessage(found));
}
