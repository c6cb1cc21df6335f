// Goldens on the backends of a GPU: the first golden of each kernel and some networks, on two implementations of each API. Natively
// every golden runs on WebGPU in tests/gpu; `npm --prefix tests run matrix` runs all of them on all backends.

import { files, pack, testMatrix } from './support/matrix.js';

const packed = {
  layers: pack('each', files('layers', /^k3\.jsonl$/)),
  networks: pack('all', files('networks', /^k3-(Autoencoder|MobileNetV2|SqueezeNet)\./)),
};
testMatrix('Chromium', packed, { backends: ['webgpu', 'webgl'], places: ['worker'] });
testMatrix('Firefox', packed, { backends: ['webgpu', 'webgl'], places: ['page'] });
