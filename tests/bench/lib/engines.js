// The engines that can be compared: where their version stands and what they need of a model.

import { existsSync, readFileSync } from 'node:fs';

const root = new URL('../node_modules/', import.meta.url);
const version = (name) => JSON.parse(readFileSync(new URL(`${name}/package.json`, root), 'utf8')).version;
const peer = (title, needs, packages, modules) => ({
  title,
  needs,
  modules,
  /** The backends that it has, each with the packages that it needs. */
  packages,
  version: () => version(packages.wasm[0]),
  /** The package that is not installed. @param {string} backend */
  missing: (backend) => packages[backend].find((name) => !existsSync(new URL(`${name}/package.json`, root))),
});
const litert = ['@litertjs/core', '@litertjs/wasm-utils'];
const tfjs = (backend) => ['@tensorflow/tfjs-core', `@tensorflow/tfjs-backend-${backend}`, '@tensorflow/tfjs-converter'];
const ort = ['onnxruntime-web'];

const tfjsScript = (name) => `/node_modules/@tensorflow/tfjs-${name}/dist/tf-${name}.es2017.min.js`;

/**
 * `needs`: the file of a model by the encoding of its weights; ours is compiled. `modules`: the scripts of a backend that a
 * page can name ahead, so that the browser fetches them at once.
 */
export const engines = {
  ours: {
    title: 'keras-compile',
    needs: { f32: 'model.h5', f16: 'model.h5', int8: 'model.h5' },
    modules: () => [],
    packages: { wasm: [], webgpu: [], webgl: [] },
    version: () => undefined,
    missing: () => undefined,
  },
  litert: peer('LiteRT.js', { f32: 'model.tflite', f16: 'model-f16.tflite', int8: 'model-int8.tflite' }, { wasm: litert, webgpu: litert },
    () => ['core', 'wasm-utils'].map((name) => `/node_modules/@litertjs/${name}/dist/index.js`)),
  tfjs: peer('TF.js', { f32: 'tfjs/model.json', f16: 'tfjs-f16/model.json', int8: 'tfjs-int8/model.json' }, { wasm: tfjs('wasm'), webgl: tfjs('webgl') },
    (backend) => ['core', `backend-${backend}`, 'converter'].map(tfjsScript)),
  ort: peer('ONNX Runtime Web', { f32: 'model.onnx', int8: 'model-int8.onnx' }, { wasm: ort, webgpu: ort },
    (backend) => [`/node_modules/onnxruntime-web/dist/ort.${backend}.bundle.min.mjs`]),
};

/** The file of each engine for an encoding of weights. @param {string} encoding */
export const filesIn = (encoding) => Object.fromEntries(Object.entries(engines).map(([name, { needs }]) => [name, needs[encoding]]));
