// The engines that can be compared: where their version stands and what they need of a model.

import { readFileSync } from 'node:fs';

const version = (name) => JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;

export const engines = {
  ours: { title: 'keras-compile', needs: 'model.h5', version: () => undefined },
  litert: { title: 'LiteRT.js', needs: 'model.tflite', version: () => version('@litertjs/core') },
  ort: { title: 'ONNX Runtime Web', needs: 'model.onnx', version: () => version('onnxruntime-web') },
};
