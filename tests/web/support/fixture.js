// Bundles made by hand around the compiler's scripts, so that the loader can be tested on its own.

import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assemble, steps } from './assemble.js';
import { compile, examples } from './bundles.js';

const sources = new URL('../../../runtime-web/src/', import.meta.url);
const declarations = new URL('index.d.ts', sources);
/** A bundle of the compiler for wasm, made once. @type {string | undefined} */
let model;
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const hashed = (stem, end, bytes) => `${stem}.${sha256(bytes).slice(0, 8)}.${end}`;

/** What all backends know of a slot, and what only one does. */
const infoOf = ({ storage, offset, ...info }) => info;
const addressOf = ({ storage, offset }) => ({ storage, offset });

/** @type {string[]} */
const folders = [];
process.on('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** An empty folder that is gone when the process ends. */
export function temporary(name = 'bundle') {
  const folder = mkdtempSync(join(tmpdir(), `keras-compile-${name}-`));
  folders.push(folder);
  return folder;
}

/**
 * What a bundle has for a backend on a GPU.
 * @typedef {{ code: Record<string, string>, section: object, steps: number }} Gpu `code`: the text of each file.
 */

/**
 * Writes a bundle.
 * @param {{ inputs: object[], outputs: object[], bodies?: (relaxed: boolean) => number[][], weights?: Buffer,
 *   shardBytes?: number, folder?: string, name?: string, gpu?: Record<string, Gpu> }} model Without bodies it has no wasm.
 *   With GPUs its scripts are the sources, not joined.
 * @returns {string} The folder.
 */
export function writeBundle({ inputs, outputs, bodies, weights = Buffer.alloc(0), shardBytes = 1 << 24, folder = temporary(), name = 'fixture', gpu }) {
  mkdirSync(folder, { recursive: true });
  const files = {};
  const put = (name, bytes) => {
    writeFileSync(join(folder, name), bytes);
    files[name] = { bytes: bytes.length, sha256: sha256(bytes) };
    return name;
  };
  const offset = 1 << 16;
  const pages = 1 + Math.ceil(weights.length / 65536);
  const shards = [];
  for (let at = 0; at < weights.length; at += shardBytes) {
    const shard = weights.subarray(at, at + shardBytes);
    shards.push(put(hashed(`weights-${shards.length}`, 'bin', shard), shard));
  }
  const variants = { relaxed: 'map 4 fused', baseline: 'map 4', f32: 'map' };
  const describe = (name, steps) => {
    const infos = Array.from({ length: steps }, (_, step) => (
      { layers: [`layer-${step}`], family: 'map', variants, flops: step && 1000, needed: step && 1000, bytes: 64 }
    ));
    const bytes = Buffer.from(JSON.stringify(infos));
    return put(hashed(name, 'json', bytes), bytes);
  };
  const wasm = () => {
    const modules = [false, true].map((relaxed) => assemble(pages, bodies(relaxed)));
    const [baseline, relaxed] = ['baseline', 'relaxed'].map((kind, i) => put(hashed(`model-${kind}`, 'wasm', modules[i]), modules[i]));
    const steps = bodies(false).length;
    return {
      code: { relaxed, baseline },
      memory: pages * 65536,
      steps,
      profile: describe('steps', steps),
      prepare: 0,
      inputs: inputs.map(addressOf),
      outputs: outputs.map(addressOf),
      weights: { offset },
    };
  };
  const onGpu = ([backend, { code, section, steps }]) => {
    const files = Object.entries(code).map(([label, text]) => [label, put(hashed(`${backend}-${label}`, 'txt', text), Buffer.from(text))]);
    return [backend, { code: Object.fromEntries(files), memory: 1 << 16, steps, profile: describe(`steps-${backend}`, steps), ...section }];
  };
  const manifest = {
    format: 2,
    generator: 'keras-compile test fixture',
    model: name,
    inputs: inputs.map(infoOf),
    outputs: outputs.map(infoOf),
    backends: { ...Object.fromEntries(Object.entries(gpu ?? {}).map(onGpu)), ...(bodies && { wasm: wasm() }) },
    weights: { bytes: weights.length, shards },
    files: { ...files },
  };
  if (gpu) {
    const names = [...Object.keys(gpu), ...(bodies ? ['wasm'] : [])];
    copySources(folder, manifest, [...names, ...(names.length > 1 ? ['several'] : [])]);
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    return folder;
  }
  model ??= compile(join(examples, 'digits/digits.h5'), { args: ['--backends', 'wasm'] });
  const script = (name) => readFileSync(join(model, name), 'utf8');
  put('index.js', Buffer.from(stampScript(script('index.js'), manifest)));
  for (const name of ['worker.js', 'internal.d.ts', 'package.json']) put(name, Buffer.from(script(name)));
  put('index.d.ts', Buffer.from(stampTypes(readFileSync(declarations, 'utf8'), inputs, outputs)));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, files }));
  return folder;
}

/** The modules as they are, and of index.js the parts with one of these marks. */
function copySources(folder, manifest, marks) {
  for (const name of readdirSync(sources).filter((name) => name.endsWith('.js'))) copyFileSync(new URL(name, sources), join(folder, name));
  const chosen = readFileSync(new URL('index.js', sources), 'utf8').replace(/^\/\/ keras-compile: (\w+) \{\n([^]*?)^\/\/ keras-compile: \1 \}\n/gm, (_, mark, part) =>
    (marks.includes(mark) ? part : ''));
  const addresses = Object.keys(manifest.files).map((name) => `  '${name}': new URL('./${name}', import.meta.url),\n`);
  const filled = chosen
    .replace(/^ *\/\/ keras-compile: manifest\n/m, () => JSON.stringify(manifest).slice(1, -1))
    .replace(/^ *\/\/ keras-compile: files\n/m, () => addresses.join(''));
  writeFileSync(join(folder, 'index.js'), filled);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
}

/** Another manifest and other files in index.js. */
function stampScript(source, manifest) {
  const addresses = Object.keys(manifest.files).map((name) => `  '${name}': new URL('./${name}', import.meta.url),\n`);
  const parts = [
    [/^(const \w+=\()\{\n +backends: [^]*?^\}\);\n/m, `${JSON.stringify(manifest)});\n`],
    [/^(const \w+=\(\)=>\(\{\n)(?: +'.*\n)+\}\);\n/m, `${addresses.join('')}});\n`],
  ];
  return parts.reduce((text, [pattern, part]) => {
    if (!pattern.test(text)) throw new Error(`index.js has nothing like ${pattern}`);
    return text.replace(pattern, (_, begin) => begin + part);
  }, source);
}

const arrays = {
  float32: 'Float32Array', float64: 'Float64Array', bool: 'Uint8Array',
  int8: 'Int8Array', int16: 'Int16Array', int32: 'Int32Array', int64: 'BigInt64Array',
  uint8: 'Uint8Array', uint16: 'Uint16Array', uint32: 'Uint32Array', uint64: 'BigUint64Array',
};

/** The model's part of index.d.ts. */
function stampTypes(source, inputs, outputs) {
  const members = (slots, bytes = () => '') =>
    slots.map(({ name, shape, dtype }) => {
      const elements = shape.reduce((product, size) => product * size, 1);
      return `  /** ${dtype} [${shape.join(', ')}], ${elements} elements */\n  ${JSON.stringify(name)}: ${arrays[dtype]}${bytes(dtype)};\n`;
    }).join('');
  const infos = (slots) =>
    slots.map(({ name, shape, dtype }) => `  TensorInfo<${JSON.stringify(name)}, readonly [${shape.join(', ')}], '${dtype}'>,\n`).join('');
  const bytes = (dtype) => (dtype === 'int8' ? '' : ' | Bytes');
  const bare = inputs.length === 1 ? ` | ${arrays[inputs[0].dtype]}${bytes(inputs[0].dtype)}` : '';
  const model = `/** What \`predict\` takes: a typed array per input of the Keras model, by name. */
export interface Inputs {
${members(inputs, bytes)}}
/** What \`predict\` gives: a typed array per output of the Keras model, by name. */
export interface Outputs {
${members(outputs)}}
/** What \`predict\` accepts; a model with a single input also takes the bare array. */
export type PredictInput = Inputs${bare};
/** The names of the classes. */
export type Label = never;
/** The inputs of this model, in Keras' order. */
export type InputInfos = readonly [
${infos(inputs)}];
/** The outputs of this model, in Keras' order. */
export type OutputInfos = readonly [
${infos(outputs)}];
/** The backends that this bundle holds. */
export type BackendName = 'wasm';
/** The variants of their code. */
export type ModuleName = 'baseline' | 'relaxed';
`;
  return source.replace(/^\/\/ keras-compile: the model \{\n[^]*?^\/\/ keras-compile: \}\n/m, () => model);
}

/** What `affine` adds. */
function affineWeights(weightBytes) {
  const weights = Buffer.alloc(weightBytes);
  [10, 20, 30, 40].forEach((w, i) => weights.writeFloatLE(w, 4 * i));
  return weights;
}

/** `y = 2 x + w`, w = 10, 20, 30, 40; the weights can be padded to be long to load. */
export function affine({ weightBytes = 16, ...options } = {}) {
  const weights = affineWeights(weightBytes);
  const [x, twice, y, w] = [1024, 2048, 4096, 65536];
  return writeBundle({
    inputs: [{ name: 'x', shape: [1, 4], dtype: 'float32', storage: 'f32', offset: x }],
    outputs: [{ name: 'y', shape: [1, 4], dtype: 'float32', storage: 'f32', offset: y }],
    bodies: (relaxed) => [steps.add(twice, x, x), steps.madd(y, twice, 1, w, relaxed)],
    weights,
    ...options,
  });
}

/** An output `<dtype>` that repeats the input of the same name, two elements each; a range is one of indices. */
export function echo(types, options) {
  const slots = (offset) =>
    types.map(([dtype, storage, range], i) => ({ name: dtype, shape: [2], dtype, storage, offset: offset + 8 * i, ...(range && { range }) }));
  const [inputs, outputs] = [slots(1024), slots(2048)];
  return writeBundle({
    inputs,
    outputs,
    bodies: () => inputs.map((slot, i) => steps.copy(outputs[i].offset, slot.offset, 8)),
    ...options,
  });
}

/** Counts how often its only step ran, the first run at load included; `trap` stops the step after. */
export function counter({ trap = false, ...options } = {}) {
  return writeBundle({
    inputs: [{ name: 'x', shape: [1], dtype: 'float32', storage: 'f32', offset: 1024 }],
    outputs: [{ name: 'runs', shape: [1], dtype: 'int32', storage: 'i32', offset: 2048 }],
    bodies: () => [steps.count(2048), ...(trap ? [steps.trap()] : [])],
    ...options,
  });
}
