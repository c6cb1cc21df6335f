// The WebGPU backend on a GPU of software, with programs made by hand, and the choice between backends.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { affine, echo, writeBundle } from './support/fixture.js';
import { gpuPages, outcome, repeat, repeated, types, usedBytes } from './support/gpu-pages.js';
import { affineWebGPU, echoWebGPU } from './support/gpu.js';
import { faults } from './support/server.js';

const y = [12, 24, 36, 48];
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));

const sized = { weightBytes: 100_000, shardBytes: 40_000 };
/** More dispatches than a buffer of parameters has slices. */
const ROUNDS = 66_000;
const long = { name: 'x', shape: [ROUNDS], dtype: 'float32', storage: 'f32', offset: 0 };
const folders = {
  bundle: affine({ gpu: { webgpu: affineWebGPU() }, ...sized }),
  only: writeBundle({
    inputs: [{ name: 'x', shape: [1, 4], dtype: 'float32' }],
    outputs: [{ name: 'y', shape: [1, 4], dtype: 'float32' }],
    weights: Buffer.from(new Float32Array([10, 20, 30, 40]).buffer),
    gpu: { webgpu: affineWebGPU() },
  }),
  echo: echo(types, { gpu: { webgpu: echoWebGPU(types.map(([, storage]) => ({ storage, elements: 2 }))) } }),
  long: writeBundle({ inputs: [long], outputs: [{ ...long, name: 'y' }], gpu: { webgpu: echoWebGPU([{ storage: 'f32', elements: ROUNDS }]) } }),
  huge: affine({ gpu: { webgpu: affineWebGPU({ limits: { maxBufferSize: 2 ** 50 } }) } }),
  odd: affine({ gpu: { webgpu: affineWebGPU({ features: ['no-such-feature'] }) } }),
  checked: affine({ gpu: { webgpu: affineWebGPU({ check: true }) } }),
  broken: affine({ gpu: { webgpu: affineWebGPU({ check: true, shaders: (text) => text.replace('* x[id.x]', '* x[id.x] * 1.01') }) } }),
  brokenLoop: affine({ gpu: { webgpu: affineWebGPU({ check: true, shaders: (text) => text.replace('let i = params[0].x;', 'let i = params[0].x & 1u;') }) } }),
  wrong: affine({ gpu: { webgpu: affineWebGPU({ shaders: (text) => text.replace('bitcast', 'bitcats') }) } }),
  unbound: affine({ gpu: { webgpu: affineWebGPU({ shaders: (text) => text.replace('<storage, read> w', '<storage, read_write> w') }) } }),
};
const manifest = manifestOf(folders.bundle);
const { server, browser, open, run, alone, requested, hold } = await gpuPages(folders);

describe('a prediction', () => {
  test('by name, the same again and again', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgpu' });
      const first = await model.predict(x);
      const out = { y: new Float32Array(4) };
      const second = await model.predict({ x }, { out });
      const { backend, module, threads, fallbacks } = model;
      return { backend, module, threads, fallbacks, same: second.y === out.y, ys: [first, second].map(({ y }) => Array.from(y)), settled: await model.settled };
    });
    assert.deepEqual(found, { backend: 'webgpu', module: 'f32', threads: 1, fallbacks: [], same: true, ys: [y, y], settled: 'webgpu' });
    const names = requested();
    assert.ok(!names.some((name) => name.endsWith('.wasm')), String(names));
    assert.deepEqual(names.filter((name) => name.endsWith('.bin')).sort(), manifest.weights.shards);
  });

  test('in a worker', async () => {
    const found = await run(async () => {
      const script = `import { load } from '${location.origin}/bundle/index.js';
        const model = await load('${location.origin}/bundle', { backend: 'webgpu' });
        postMessage(Array.from((await model.predict(Float32Array.of(1, 2, 3, 4))).y));`;
      const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })), { type: 'module' });
      return new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => resolve(message);
      });
    });
    assert.deepEqual(found, y);
  });

  test('of every type', async () => {
    const { outputs, wide } = await run(repeat, 'webgpu', 'echo');
    assert.deepEqual(outputs, repeated);
    assert.equal(wide, 'RangeError: predict: input "int64" (int64 [2]) has 1099511627776 at 0, which does not fit 32 bits');
  });

  test('that overlaps others gets its own answer, in order', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgpu' });
      const input = new Float32Array(4);
      const order = [];
      const calls = Array.from({ length: 20 }, (_, i) => model.predict(input.fill(i)).finally(() => order.push(i)));
      return { firsts: (await Promise.all(calls)).map(({ y }) => y[0]), order };
    });
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    assert.deepEqual(found, { firsts: numbers.map((i) => 2 * i + 10), order: numbers });
  });

  test(`of ${ROUNDS} dispatches`, async () => {
    const wrong = await run(async (count) => {
      const model = await load(undefined, { backend: 'webgpu' });
      const x = Float32Array.from({ length: count }, (_, i) => i);
      const { y } = await model.predict(x);
      return Array.from(y).findIndex((value, i) => value !== x[i]);
    }, ROUNDS, 'long');
    assert.equal(wrong, -1);
  });

  test('leaves nothing behind, a thousand times', async () => {
    const page = await open('bundle');
    const predict = () => page.evaluate(async () => {
      window.model ??= await load(undefined, { backend: 'webgpu' });
      for (let i = 0; i < 1000; i++) await window.model.predict(x);
    });
    await predict();
    const before = await usedBytes(page);
    await predict();
    const growth = (await usedBytes(page)) - before;
    await page.close();
    assert.ok(growth < 100_000, `${growth} bytes more after 1000 predicts`);
  });

  test('progress counts what is fetched', async () => {
    const seen = await run(async () => {
      const seen = [];
      await load(undefined, { backend: 'webgpu', onProgress: (progress) => seen.push(progress) });
      return seen;
    });
    const { program, shaders } = manifest.backends.webgpu.code;
    const total = [program, shaders, ...manifest.weights.shards].reduce((sum, name) => sum + manifest.files[name].bytes, 0);
    assert.deepEqual(seen[0], { loaded: 0, total });
    assert.deepEqual(seen.at(-1), { loaded: total, total });
    assert.ok(seen.every(({ loaded }, i) => i === 0 || loaded > seen[i - 1].loaded));
  });

  test('profile tells of each step, with timestamps of the GPU and without', async () => {
    const found = await run(async () => {
      const own = await device();
      const [timed, untimed] = [
        await load(undefined, { backend: 'webgpu', profile: true }),
        await load(undefined, { backend: 'webgpu', profile: true, device: own }),
      ];
      const times = [await timed.profile(x), await untimed.profile(x)];
      return { times, plain: own.features.has('timestamp-query'), y: Array.from((await timed.predict(x)).y) };
    });
    assert.equal(found.plain, false);
    assert.deepEqual(found.y, y);
    for (const times of found.times) {
      assert.deepEqual(times.map(({ step, layers, variant }) => [step, layers, variant]), [[0, ['layer-0'], 'map'], [1, ['layer-1'], 'map']]);
      assert.ok(times.every(({ ms }) => ms >= 0 && ms < 10_000), JSON.stringify(times));
    }
  });

  test('after dispose, and one under way, is rejected', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgpu' });
      const pending = failed(model.predict(x));
      model.dispose();
      model.dispose();
      return [await pending, await failed(model.predict(x))];
    });
    const gone = 'InvalidStateError: the model was disposed of; load it again';
    assert.deepEqual(found, [gone, gone]);
  });
});

describe('buffers of the GPU', () => {
  test('go from one model to another on one device', async () => {
    const found = await run(async () => {
      const own = await device();
      const first = await load(undefined, { backend: 'webgpu', device: own });
      const second = await load('/only', { backend: 'webgpu', device: own });
      const { y } = await first.predict(x, { output: 'gpu' });
      const { y: z } = await second.predict({ x: y }, { output: 'gpu' });
      const results = [await first.predict(y), await first.predict({ x: y.buffer }), await second.predict(z)];
      first.dispose();
      second.dispose();
      // The device is the page's, and so are the results.
      own.pushErrorScope('validation');
      const staging = own.createBuffer({ size: 16, usage: 9 });
      const encoder = own.createCommandEncoder();
      encoder.copyBufferToBuffer(z.buffer, 0, staging, 0, 16);
      own.queue.submit([encoder.finish()]);
      await staging.mapAsync(1);
      const error = (await own.popErrorScope())?.message;
      return {
        shape: y.shape, dtype: y.dtype, size: y.buffer.size, usage: y.buffer.usage, error,
        results: results.map(({ y }) => Array.from(y)), z: Array.from(new Float32Array(staging.getMappedRange())),
      };
    });
    const next = (values) => values.map((value, i) => 2 * value + 10 * (i + 1));
    assert.deepEqual(found, {
      shape: [1, 4], dtype: 'float32', size: 16, usage: 128 | 4 | 8, error: undefined,
      results: [next(y), next(y), next(next(y))], z: next(y),
    });
  });

  test('must fit', async () => {
    const errors = await run(async () => {
      const own = await device();
      const model = await load(undefined, { backend: 'webgpu', device: own });
      const buffer = (size, usage) => own.createBuffer({ size, usage });
      const other = await device();
      return [
        await failed(model.predict(buffer(32, 4))),
        await failed(model.predict({ buffer: buffer(16, 4), dtype: 'int32' })),
        await failed(model.predict(buffer(16, 8))),
        await failed(model.predict(other.createBuffer({ size: 16, usage: 4 }))),
        await failed(model.predict(x, { output: 'cuda' })),
        await failed(model.predict(x, { output: 'gpu', out: { y: new Float32Array(4) } })),
        Array.from((await model.predict(x)).y),
      ];
    });
    assert.equal(errors[0], 'RangeError: predict: input "x" (float32 [1, 4]) takes a GPUBuffer of 16 bytes, got one of 32');
    assert.equal(errors[1], 'TypeError: predict: input "x" (float32 [1, 4]) lies on the GPU as float32, got int32');
    assert.match(errors[2], /^Error: .*CopySrc/s);
    assert.match(errors[3], /^Error: .*associated with/s);
    assert.equal(errors[4], `TypeError: predict: output is "cuda"; pass 'cpu' or 'gpu'`);
    assert.equal(errors[5], "TypeError: predict: pass out or output: 'gpu', not both");
    assert.deepEqual(errors[6], y);
  });

  test('are nothing for wasm', async () => {
    const errors = await run(async () => {
      const own = await device();
      const model = await load(undefined, { backend: 'wasm' });
      return [await failed(model.predict(own.createBuffer({ size: 16, usage: 4 }))), await failed(model.predict(x, { output: 'gpu' }))];
    });
    const error = 'TypeError: predict: the model runs on wasm, which neither takes nor gives buffers of a GPU';
    assert.deepEqual(errors, [error, error]);
  });
});

describe('a choice', () => {
  const software = 'wasm was taken instead of webgpu, because its only adapter is a software renderer (google swiftshader), ' +
    'which is slower; name the backend to use it all the same.';

  /** What a load comes to. */
  const chosen = (options, bundle, prepare) => (prepare ? alone : run)(outcome, [options, prepare && `(${prepare})()`], bundle);

  test('takes no software by itself, and fetches nothing for it', async () => {
    assert.deepEqual(await chosen({}), { backend: 'wasm', fallbacks: [software], y });
    const names = requested();
    for (const name of Object.values(manifest.backends.webgpu.code)) assert.ok(!names.includes(name), name);
    assert.equal(names.filter((name) => name.endsWith('.wasm')).length, 1);
  });

  test('goes by the order of a list', async () => {
    assert.deepEqual(await chosen({ backend: ['webgpu', 'wasm'] }), { backend: 'webgpu', fallbacks: [], y });
    assert.deepEqual(await chosen({ backend: ['wasm', 'webgpu'] }), { backend: 'wasm', fallbacks: [], y });
  });

  test('of what is not there is refused', async () => {
    for (const [backend, name] of [['cuda', 'cuda'], [['wasm', 'cuda'], 'cuda'], [[], '']]) {
      const error = `TypeError: load: there is no backend "${name}" in this bundle; it holds webgpu, wasm`;
      assert.deepEqual(await chosen({ backend }), { error });
    }
  });

  const absent = () => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined });
  const none = () => (GPU.prototype.requestAdapter = async () => null);
  const lost = () => {
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...values) {
      const device = await requestDevice.apply(this, values);
      setTimeout(() => device.destroy());
      return device;
    };
  };
  for (const [what, bundle, prepare, reason] of [
    ['there is no WebGPU', 'bundle', absent, /^there is no WebGPU here \(navigator\.gpu\)$/],
    ['there is no adapter', 'bundle', none, /^WebGPU has no adapter here$/],
    ['the device is lost', 'bundle', lost, /^the GPU was lost \(/],
    ['a limit is too low', 'huge', undefined, /^the model needs maxBufferSize 1125899906842624, and the adapter offers \d+$/],
    ['a feature is absent', 'odd', undefined, /^the model needs the feature no-such-feature, which the adapter lacks$/],
    ['a shader is wrong', 'wrong', undefined, /^the browser refuses module 0: twice \(line 5: .*bitcats/],
    ['a shader does not fit its layout', 'unbound', undefined, /^the browser refuses module 1: sum \(/],
  ]) {
    test(`goes on where ${what}, and says so`, async () => {
      const found = await chosen({ backend: ['webgpu', 'wasm'] }, bundle, prepare);
      assert.deepEqual({ ...found, fallbacks: undefined }, { backend: 'wasm', fallbacks: undefined, y });
      const [, found0] = /^wasm was taken instead of webgpu, because ([^]*)\.$/.exec(found.fallbacks[0]) ?? assert.fail(found.fallbacks[0]);
      assert.match(found0, reason);
      const { error } = await chosen({ backend: 'webgpu' }, bundle, prepare);
      const [, alone] = /^Error: load: webgpu cannot run this model here, because ([^]*)$/.exec(error) ?? assert.fail(error);
      assert.match(alone, reason);
    });
  }

  test('says of every backend why none can run', async () => {
    const { error } = await chosen({ backend: ['webgpu', 'wasm'] }, 'huge', () => (WebAssembly.compile = WebAssembly.compileStreaming = async () => { throw new Error('not today'); }));
    assert.match(error, /^Error: load: webgpu cannot run this model here, because the model needs maxBufferSize .*; wasm cannot run this model here, because .*\(not today\)/);
  });

  test('ends where weights are damaged', async () => {
    const [shard] = manifest.weights.shards;
    server.fault(new RegExp(shard), faults.flipped);
    assert.deepEqual(await chosen({ backend: ['webgpu', 'wasm'] }), {
      error: `BundleError: ${server.url}/bundle/${shard}: is damaged (its SHA-256 is not the one in the manifest); upload the whole bundle anew`,
    });
    assert.ok(!requested().some((name) => name.endsWith('.wasm')));
  });

  test('goes on where a file of one backend is absent', async () => {
    server.fault(new RegExp(manifest.backends.webgpu.code.shaders), faults.missing);
    const { backend, fallbacks } = await chosen({ backend: ['webgpu', 'wasm'] });
    assert.equal(backend, 'wasm');
    assert.match(fallbacks[0], /^wasm was taken instead of webgpu, because http.*\.txt: the server answered 404 Not Found; .*\.$/);
  });

  test("has limits of the page's device", async () => {
    const found = await run(async () => {
      const own = await device();
      return failed(load('/huge', { backend: 'webgpu', device: own }));
    });
    assert.match(found, /because the model needs maxBufferSize 1125899906842624, and the page's device offers 268435456$/);
  });

  test('in Node is wasm', async () => {
    const { load } = await import(join(folders.bundle, 'index.js'));
    const model = await load();
    assert.equal(model.backend, 'wasm');
    assert.deepEqual(model.fallbacks.slice(0, 1), ['wasm was taken instead of webgpu, because there is no WebGPU here (navigator.gpu).']);
    assert.deepEqual(Array.from((await model.predict(Float32Array.of(1, 2, 3, 4))).y), y);
    await assert.rejects(load(undefined, { backend: 'webgpu' }), { name: 'Error', message: 'load: webgpu cannot run this model here, because there is no WebGPU here (navigator.gpu)' });
    await assert.rejects(model.verify(), { name: 'InvalidStateError', message: 'the bundle holds nothing to check wasm with' });
  });
});

describe('warm', () => {
  test('wasm answers until the GPU is there; weights are fetched once', async () => {
    const release = hold(new RegExp(manifest.backends.webgpu.code.shaders));
    const page = await open('bundle');
    const early = await page.evaluate(async () => {
      window.model = await load(undefined, { backend: ['webgpu', 'wasm'], warm: 'wasm', profile: true });
      window.onGpu = model.predict(x, { output: 'gpu' }).then(({ y }) => model.predict(y));
      const { y } = await model.predict(x);
      return { backend: model.backend, module: model.module, y: Array.from(y), variant: (await model.profile(x))[0].variant };
    });
    assert.deepEqual(early, { backend: 'wasm', module: 'relaxed', y, variant: 'map 4 fused' });
    release();
    const late = await page.evaluate(async () => {
      const settled = await model.settled;
      const { y } = await model.predict(x);
      const chained = Array.from((await onGpu).y);
      return { settled, backend: model.backend, module: model.module, fallbacks: model.fallbacks, y: Array.from(y), variant: (await model.profile(x))[0].variant, chained };
    });
    await page.close();
    assert.deepEqual(late, { settled: 'webgpu', backend: 'webgpu', module: 'f32', fallbacks: [], y, variant: 'map', chained: [34, 68, 102, 136] });
    assert.deepEqual(requested().filter((name) => name.endsWith('.bin')).sort(), manifest.weights.shards);
  });

  test('it stays wasm where the GPU cannot run the model', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: ['webgpu', 'wasm'], warm: 'wasm' });
      const settled = await model.settled;
      return { settled, backend: model.backend, fallbacks: model.fallbacks, y: Array.from((await model.predict(x)).y) };
    }, undefined, 'odd');
    const why = 'It stays wasm: webgpu cannot run this model here, because the model needs the feature no-such-feature, which the adapter lacks.';
    assert.deepEqual(found, { settled: 'wasm', backend: 'wasm', fallbacks: [why], y });
  });

  test('it is the GPU at once where wasm cannot run', async () => {
    const found = await alone(async () => {
      WebAssembly.compile = WebAssembly.compileStreaming = async () => { throw new Error('not today'); };
      const model = await load(undefined, { backend: ['webgpu', 'wasm'], warm: 'wasm' });
      return { backend: model.backend, settled: await model.settled, y: Array.from((await model.predict(x)).y) };
    });
    assert.deepEqual(found, { backend: 'webgpu', settled: 'webgpu', y });
  });

  test('a model that is disposed of meanwhile gets no GPU', async () => {
    const release = hold(new RegExp(manifest.backends.webgpu.code.shaders));
    const found = await run(async () => {
      const model = await load(undefined, { backend: ['webgpu', 'wasm'], warm: 'wasm' });
      model.dispose();
      return { settled: await model.settled, error: await failed(model.predict(x)) };
    });
    release();
    assert.deepEqual(found, { settled: 'wasm', error: 'InvalidStateError: the model was disposed of; load it again' });
  });
});

describe('a GPU that is lost', () => {
  let page;
  let session;
  before(async () => {
    page = await open('bundle');
    session = await browser.newBrowserCDPSession();
    await page.evaluate(async () => (window.model = await load(undefined, { backend: 'webgpu' })));
  });
  after(() => page.close());
  const crash = () => session.send('Browser.crashGpuProcess');

  test('is replaced, and every prediction under way is answered', async () => {
    const answers = page.evaluate(async () => {
      const calls = Array.from({ length: 100 }, (_, i) => model.predict(Float32Array.of(i, 2, 3, 4)));
      return (await Promise.all(calls)).map(({ y }) => Array.from(y));
    });
    await crash();
    assert.deepEqual(await answers, Array.from({ length: 100 }, (_, i) => [2 * i + 10, 24, 36, 48]));
  });

  test('is replaced when it is needed', async () => {
    await crash();
    assert.deepEqual(await page.evaluate(async () => Array.from((await model.predict(x)).y)), y);
  });

  test('takes buffers with it, which is said', async () => {
    const error = page.evaluate(async () => {
      const { y } = await model.predict(x, { output: 'gpu' });
      const calls = Array.from({ length: 100 }, () => failed(model.predict(y)));
      window.given = true;
      return (await Promise.all(calls)).at(-1);
    });
    await page.waitForFunction(() => window.given);
    await crash();
    const found = await error;
    assert.match(found, /^(it did not fail|Error: predict: the GPU was lost \(.*\), and the given buffers with it)$/);
    assert.deepEqual(await page.evaluate(async () => Array.from((await model.predict(x)).y)), y);
  });

  test('is replaced though the browser has none at first', async () => {
    const found = await page.evaluate(async () => {
      const { requestAdapter } = GPU.prototype;
      const { requestDevice } = GPUAdapter.prototype;
      let last;
      GPUAdapter.prototype.requestDevice = async function (...values) {
        return (last = await requestDevice.apply(this, values));
      };
      const other = await load(undefined, { backend: 'webgpu' });
      GPUAdapter.prototype.requestDevice = requestDevice;
      let refused = 0;
      GPU.prototype.requestAdapter = function (...values) {
        return ++refused > 3 ? requestAdapter.apply(this, values) : Promise.resolve(null);
      };
      last.destroy();
      const found = Array.from((await other.predict(x)).y);
      GPU.prototype.requestAdapter = requestAdapter;
      return found;
    });
    assert.deepEqual(found, y);
  });

  test('rejects when there is no other one', async () => {
    const found = await page.evaluate(async () => {
      const { requestAdapter } = GPU.prototype;
      const own = await device();
      const model = await load(undefined, { backend: 'webgpu', device: own });
      own.destroy();
      const mine = await failed(model.predict(x));
      const { requestDevice } = GPUAdapter.prototype;
      let last;
      GPUAdapter.prototype.requestDevice = async function (...values) {
        return (last = await requestDevice.apply(this, values));
      };
      const other = await load(undefined, { backend: 'webgpu' });
      GPU.prototype.requestAdapter = async () => null;
      last.destroy();
      const none = await failed(other.predict(x));
      GPU.prototype.requestAdapter = requestAdapter;
      GPUAdapter.prototype.requestDevice = requestDevice;
      return { mine, none, then: Array.from((await other.predict(x)).y) };
    });
    assert.match(found.mine, /^Error: the GPU was lost \(.*\) and cannot be had again: it was the page's own device; load the model with a new one$/);
    assert.match(found.none, /^Error: the GPU was lost \(.*\) and cannot be had again: WebGPU has no adapter here$/);
    assert.deepEqual(found.then, y);
  });
});

describe('numbers are checked', () => {
  test('when the model is loaded and on demand', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgpu' });
      const verified = await model.verify();
      return { verified: String(verified), y: Array.from((await model.predict(x)).y) };
    }, undefined, 'checked');
    assert.deepEqual(found, { verified: 'undefined', y });
  });

  for (const [bundle, reason] of [
    ['broken', /^it computes wrong numbers: "twice" gives -?[\d.]+ instead of -?[\d.]+ as element 0 of its buffer$/],
    // What only later rounds of a loop do wrong, the whole network tells.
    ['brokenLoop', /^it computes wrong numbers: "output 0" gives /],
  ]) {
    test(`and a backend that is wrong is not used (${bundle})`, async () => {
      const { backend, fallbacks, y: found } = await run(outcome, [{ backend: ['webgpu', 'wasm'] }], bundle);
      assert.deepEqual([backend, found], ['wasm', y]);
      const [, why] = /^wasm was taken instead of webgpu, because ([^]*)\.$/.exec(fallbacks[0]) ?? assert.fail(fallbacks[0]);
      assert.match(why, reason);
      const { error } = await run(outcome, [{ backend: 'webgpu' }], bundle);
      assert.match(error, /^Error: load: webgpu cannot run this model here, because it computes /);
    });
  }
});
