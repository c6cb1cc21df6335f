// The engines that can be compared: where their version stands and what they need of a model.

import { existsSync, readFileSync } from 'node:fs';

const packages = new URL('../node_modules/', import.meta.url);
const version = (name) => JSON.parse(readFileSync(new URL(`${name}/package.json`, packages), 'utf8')).version;
const peer = (title, needs, ...names) => ({
  title,
  needs,
  version: () => version(names[0]),
  /** The package that is not installed. */
  missing: () => names.find((name) => !existsSync(new URL(`${name}/package.json`, packages))),
});

export const engines = {
  ours: { title: 'keras-compile', needs: 'model.h5', version: () => undefined, missing: () => undefined },
  litert: peer('LiteRT.js', 'model.tflite', '@litertjs/core', '@litertjs/wasm-utils'),
  tfjs: peer('TF.js', 'tfjs/model.json', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm', '@tensorflow/tfjs-converter'),
  ort: peer('ONNX Runtime Web', 'model.onnx', 'onnxruntime-web'),
};
