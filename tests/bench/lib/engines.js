// The engines that can be compared: where their version stands and what they need of a model.

import { existsSync, readFileSync } from 'node:fs';

const root = new URL('../node_modules/', import.meta.url);
const version = (name) => JSON.parse(readFileSync(new URL(`${name}/package.json`, root), 'utf8')).version;
const peer = (title, needs, packages) => ({
  title,
  needs,
  /** The backends that it has, each with the packages that it needs. */
  packages,
  version: () => version(packages.wasm[0]),
  /** The package that is not installed. @param {string} backend */
  missing: (backend) => packages[backend].find((name) => !existsSync(new URL(`${name}/package.json`, root))),
});
const litert = ['@litertjs/core', '@litertjs/wasm-utils'];
const tfjs = (backend) => ['@tensorflow/tfjs-core', `@tensorflow/tfjs-backend-${backend}`, '@tensorflow/tfjs-converter'];
const ort = ['onnxruntime-web'];

export const engines = {
  ours: { title: 'keras-compile', needs: 'model.h5', packages: { wasm: [], webgpu: [], webgl: [] }, version: () => undefined, missing: () => undefined },
  litert: peer('LiteRT.js', 'model.tflite', { wasm: litert, webgpu: litert }),
  tfjs: peer('TF.js', 'tfjs/model.json', { wasm: tfjs('wasm'), webgl: tfjs('webgl') }),
  ort: peer('ONNX Runtime Web', 'model.onnx', { wasm: ort, webgpu: ort }),
};
