// The WebGL backend on a GPU of software, with programs made by hand.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { affine, echo, writeBundle } from './support/fixture.js';
import { gpuPages, outcome, repeat, repeated, types, usedBytes } from './support/gpu-pages.js';
import { affineWebGL, affineWebGPU, echoWebGL, layeredWebGL } from './support/gpu.js';

const y = [12, 24, 36, 48];

/** More than a layer has, and weights of several rows, the last of which is not full. */
const sizes = { elements: 4 * 2048 * 2049 + 38, weights: 4 * (2 * 2048 + 5) };
const layered = (name) => ({ name, shape: [1, sizes.elements], dtype: 'float32' });
const affineParts = {
  inputs: [{ name: 'x', shape: [1, 4], dtype: 'float32' }],
  outputs: [{ name: 'y', shape: [1, 4], dtype: 'float32' }],
  weights: Buffer.from(new Float32Array([10, 20, 30, 40]).buffer),
};
const folders = {
  // Weights of several shards, the last of which ends within a row.
  bundle: affine({ gpu: { webgl: affineWebGL() }, weightBytes: 100_000, shardBytes: 32_768 }),
  all: affine({ gpu: { webgpu: affineWebGPU(), webgl: affineWebGL() } }),
  only: writeBundle({ ...affineParts, gpu: { webgl: affineWebGL() } }),
  echo: echo(types, { gpu: { webgl: echoWebGL(types.map(([, storage]) => ({ storage, elements: 2 }))) } }),
  layered: writeBundle({
    inputs: [layered('x')],
    outputs: [layered('y')],
    weights: Buffer.from(Float32Array.from({ length: sizes.weights }, (_, i) => 256 * i).buffer),
    shardBytes: 1 << 15,
    gpu: { webgl: layeredWebGL(sizes) },
  }),
  checked: affine({ gpu: { webgl: affineWebGL({ check: true }) } }),
  broken: affine({ gpu: { webgl: affineWebGL({ check: true, shaders: (text) => text.replace('* x);', '* x * 1.01);') }) } }),
  brokenLoop: affine({ gpu: { webgl: affineWebGL({ check: true, shaders: (text) => text.replace('int i = int(', 'int i = 1 & int(') }) } }),
  wrong: affine({ gpu: { webgl: affineWebGL({ shaders: (text) => text.replace('floatBitsToUint', 'floatBitsToBits') }) } }),
};
const manifest = JSON.parse(readFileSync(join(folders.bundle, 'manifest.json'), 'utf8'));
const { browser, open, run, alone, requested } = await gpuPages(folders);

describe('a prediction', () => {
  test('by name, the same again and again', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgl' });
      const first = await model.predict(x);
      const out = { y: new Float32Array(4) };
      const second = await model.predict({ x }, { out });
      const { backend, module, threads, fallbacks } = model;
      return { backend, module, threads, fallbacks, same: second.y === out.y, ys: [first, second].map(({ y }) => Array.from(y)) };
    });
    assert.deepEqual(found, { backend: 'webgl', module: 'f32', threads: 1, fallbacks: [], same: true, ys: [y, y] });
    const names = requested();
    assert.ok(!names.some((name) => name.endsWith('.wasm')), String(names));
    assert.deepEqual(names.filter((name) => name.endsWith('.bin')).sort(), manifest.weights.shards);
  });

  test('in a worker', async () => {
    const found = await run(async () => {
      const script = `import { load } from '${location.origin}/bundle/index.js';
        const model = await load('${location.origin}/bundle', { backend: 'webgl' });
        const inputs = [1, 2, 3].map((first) => Float32Array.of(first, 2, 3, 4));
        const outputs = await Promise.all(inputs.map((x) => model.predict(x)));
        postMessage(outputs.map(({ y }) => Array.from(y)));`;
      const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })), { type: 'module' });
      return new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => resolve(message);
      });
    });
    assert.deepEqual(found, [12, 14, 16].map((first) => [first, ...y.slice(1)]));
  });

  test('of every type', async () => {
    const { outputs, wide } = await run(repeat, 'webgl', 'echo');
    assert.deepEqual(outputs, repeated);
    assert.equal(wide, 'RangeError: predict: input "int64" (int64 [2]) has 1099511627776 at 0, which does not fit 32 bits');
  });

  test('of tensors in several layers', async () => {
    const wrong = await alone(async ({ elements, weights }) => {
      const model = await load(undefined, { backend: 'webgl' });
      const x = Float32Array.from({ length: elements }, (_, i) => i & 255);
      const found = [];
      for (let round = 0; round < 2; round++) {
        const { y } = await model.predict(x.fill(round, 0, 1));
        found.push(y.findIndex((value, i) => value !== x[i] + 256 * (i % weights) + (i & 1023)));
      }
      return found;
    }, sizes, 'layered');
    assert.deepEqual(wrong, [-1, -1]);
  });

  test('that overlaps others gets its own answer, in order', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgl', profile: true });
      const input = new Float32Array(4);
      const order = [];
      const calls = Array.from({ length: 20 }, (_, i) => {
        const call = i % 5 === 3 ? model.profile(input.fill(i)) : model.predict(input.fill(i));
        return call.finally(() => order.push(i));
      });
      return { firsts: (await Promise.all(calls)).map(({ y, length }) => y?.[0] ?? length), order };
    });
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    assert.deepEqual(found, { firsts: numbers.map((i) => (i % 5 === 3 ? 2 : 2 * i + 10)), order: numbers });
  });

  test('leaves nothing behind, a thousand times', async () => {
    const page = await open('bundle');
    const predict = () => page.evaluate(async () => {
      window.model ??= await load(undefined, { backend: 'webgl' });
      for (let i = 0; i < 1000; i++) await window.model.predict(x);
    });
    await predict();
    const before = await usedBytes(page);
    await predict();
    const growth = (await usedBytes(page)) - before;
    await page.close();
    assert.ok(growth < 100_000, `${growth} bytes more after 1000 predicts`);
  });

  test('of forty models, one after the other, although browsers keep few contexts', async () => {
    const [sum, complaints] = await run(async () => {
      const { warn } = console;
      const complaints = [];
      console.warn = (text) => complaints.push(text);
      let sum = 0;
      for (let i = 0; i < 40; i++) {
        const model = await load(undefined, { backend: 'webgl' });
        sum += (await model.predict(x)).y[0];
        model.dispose();
      }
      console.warn = warn;
      return [sum, complaints];
    });
    assert.deepEqual([sum, complaints], [480, []]);
  });

  test('progress counts what is fetched', async () => {
    const seen = await run(async () => {
      const seen = [];
      await load(undefined, { backend: 'webgl', onProgress: (progress) => seen.push(progress) });
      return seen;
    });
    const { program, shaders } = manifest.backends.webgl.code;
    const total = [program, shaders, ...manifest.weights.shards].reduce((sum, name) => sum + manifest.files[name].bytes, 0);
    assert.deepEqual(seen[0], { loaded: 0, total });
    assert.deepEqual(seen.at(-1), { loaded: total, total });
  });

  test('profile tells of each step, with timers of the GPU and without', async () => {
    const all = await alone(async () => {
      const timed = await load(undefined, { backend: 'webgl', profile: true });
      const times = await timed.profile(x);
      const { getExtension } = WebGL2RenderingContext.prototype;
      WebGL2RenderingContext.prototype.getExtension = function (name) {
        return name.includes('timer') ? null : getExtension.call(this, name);
      };
      const untimed = await load(undefined, { backend: 'webgl', profile: true });
      return [times, await untimed.profile(x)];
    });
    for (const times of all) {
      assert.deepEqual(times.map(({ step, layers, variant }) => [step, layers, variant]), [[0, ['layer-0'], 'map'], [1, ['layer-1'], 'map']]);
      assert.ok(times.every(({ ms }) => ms >= 0 && ms < 10_000), JSON.stringify(times));
    }
  });

  test('after dispose, and one under way, is rejected', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgl' });
      const pending = failed(model.predict(x));
      model.dispose();
      model.dispose();
      return [await pending, await failed(model.predict(x))];
    });
    const gone = 'InvalidStateError: the model was disposed of; load it again';
    assert.deepEqual(found, [gone, gone]);
  });

  test('takes and gives no buffers', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgl' });
      return failed(model.predict(x, { output: 'gpu' }));
    });
    assert.equal(found, 'TypeError: predict: the model runs on webgl, which neither takes nor gives buffers of a GPU');
  });
});

describe('a choice', () => {
  const chosen = (options, bundle, prepare) => (prepare ? alone : run)(outcome, [options, prepare && `(${prepare})()`], bundle);

  test('takes no software by itself, and fetches nothing for it', async () => {
    const { backend, fallbacks, y: found } = await chosen({}, 'all');
    assert.deepEqual([backend, found], ['wasm', y]);
    assert.equal(fallbacks.length, 2);
    assert.match(fallbacks[0], /^wasm was taken instead of webgpu, because its only adapter is a software renderer \(/);
    assert.match(fallbacks[1], /^wasm was taken instead of webgl, because it draws by software \(.*SwiftShader.*\), which is slower; name the backend to use it all the same\.$/);
    assert.ok(!requested().some((name) => name.endsWith('.txt')));
  });

  test('goes on to WebGL where there is no WebGPU', async () => {
    const { backend, fallbacks } = await chosen({ backend: ['webgpu', 'webgl', 'wasm'] }, 'all', () =>
      Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }));
    assert.deepEqual({ backend, fallbacks }, { backend: 'webgl', fallbacks: ['webgl was taken instead of webgpu, because there is no WebGPU here (navigator.gpu).'] });
  });

  const none = () => (HTMLCanvasElement.prototype.getContext = () => null);
  const coarse = () => (WebGL2RenderingContext.prototype.getShaderPrecisionFormat = () => ({ precision: 10 }));
  const full = () => {
    // What the specification says of a texture for which there is no room.
    const { getError } = WebGL2RenderingContext.prototype;
    WebGL2RenderingContext.prototype.getError = function () {
      return getError.call(this) || this.OUT_OF_MEMORY;
    };
  };
  const lost = () => {
    const { linkProgram } = WebGL2RenderingContext.prototype;
    WebGL2RenderingContext.prototype.linkProgram = function (program) {
      linkProgram.call(this, program);
      this.getExtension('WEBGL_lose_context')?.loseContext();
    };
  };
  for (const [what, bundle, prepare, reason] of [
    ['there is no context', 'bundle', none, /^WebGL 2 has no context here$/],
    ['numbers are short', 'bundle', coarse, /^its numbers have 10 bits, not 23$/],
    ['memory is short', 'bundle', full, /^its memory is too small for the model$/],
    ['the context is lost', 'bundle', lost, /^the context was lost$/],
    ['a shader is wrong', 'wrong', undefined, /^the browser refuses program 0: twice \(.*floatBitsToBits/],
  ]) {
    test(`goes on where ${what}, and says so`, async () => {
      const { backend, fallbacks, y: found } = await chosen({ backend: ['webgl', 'wasm'] }, bundle, prepare);
      assert.deepEqual([backend, found], ['wasm', y]);
      const [, why] = /^wasm was taken instead of webgl, because ([^]*)\.$/.exec(fallbacks[0]) ?? assert.fail(fallbacks[0]);
      assert.match(why, reason);
      const { error } = await chosen({ backend: 'webgl' }, bundle, prepare);
      const [, alone] = /^Error: load: webgl cannot run this model here, because ([^]*)$/.exec(error) ?? assert.fail(error);
      assert.match(alone, reason);
    });
  }

  test('lets wasm answer until WebGL is there', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: ['webgl', 'wasm'], warm: 'wasm' });
      const early = Array.from((await model.predict(x)).y);
      const settled = await model.settled;
      return { early, settled, late: Array.from((await model.predict(x)).y) };
    });
    assert.deepEqual(found, { early: y, settled: 'webgl', late: y });
    // A load that failed before may still ask for those of its own.
    assert.deepEqual(requested().filter((name) => manifest.weights.shards.includes(name)).sort(), manifest.weights.shards);
  });

  test('in Node is none', async () => {
    const { load } = await import(join(folders.only, 'index.js'));
    await assert.rejects(load(), { name: 'Error', message: 'load: webgl cannot run this model here, because there is no WebGL 2 here' });
  });
});

describe('a context that is lost', () => {
  let page;
  let session;
  before(async () => {
    page = await open('bundle');
    session = await browser.newBrowserCDPSession();
    await page.evaluate(async () => {
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = function (...values) {
        return (window.context = getContext.apply(this, values));
      };
      window.model = await load(undefined, { backend: 'webgl' });
    });
  });
  after(() => page.close());

  test('is replaced, and every prediction under way is answered', async () => {
    const found = await page.evaluate(async () => {
      const calls = Array.from({ length: 50 }, (_, i) => model.predict(Float32Array.of(i, 2, 3, 4)));
      context.getExtension('WEBGL_lose_context').loseContext();
      return (await Promise.all(calls)).map(({ y }) => Array.from(y));
    });
    assert.deepEqual(found, Array.from({ length: 50 }, (_, i) => [2 * i + 10, 24, 36, 48]));
  });

  test('is replaced when the process of the GPU ends', async () => {
    const answers = page.evaluate(async () => {
      const calls = Array.from({ length: 50 }, (_, i) => model.predict(Float32Array.of(i, 2, 3, 4)));
      return (await Promise.all(calls)).map(({ y }) => Array.from(y));
    });
    await session.send('Browser.crashGpuProcess');
    assert.deepEqual(await answers, Array.from({ length: 50 }, (_, i) => [2 * i + 10, 24, 36, 48]));
    await session.send('Browser.crashGpuProcess');
    assert.deepEqual(await page.evaluate(async () => Array.from((await model.predict(x)).y)), y);
  });

  test('is replaced when it gives nothing before it says so', async () => {
    const found = await page.evaluate(async () => {
      const lost = context;
      lost.getBufferSubData = (target, offset, words) => {
        words.fill(0);
        setTimeout(() => lost.getExtension('WEBGL_lose_context').loseContext(), 20);
      };
      return Array.from((await model.predict(x)).y);
    });
    assert.deepEqual(found, y);
  });

  test('rejects when there is no other one', async () => {
    const found = await page.evaluate(async () => {
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = () => null;
      context.getExtension('WEBGL_lose_context').loseContext();
      const none = await failed(model.predict(x));
      HTMLCanvasElement.prototype.getContext = getContext;
      return { none, then: Array.from((await model.predict(x)).y) };
    });
    assert.match(found.none, /^Error: the GPU was lost \(.*\) and cannot be had again: WebGL 2 has no context here$/);
    assert.deepEqual(found.then, y);
  });
});

describe('numbers are checked', () => {
  test('when the model is loaded and on demand', async () => {
    const found = await run(async () => {
      const model = await load(undefined, { backend: 'webgl' });
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
      const { backend, fallbacks, y: found } = await run(outcome, [{ backend: ['webgl', 'wasm'] }], bundle);
      assert.deepEqual([backend, found], ['wasm', y]);
      const [, why] = /^wasm was taken instead of webgl, because ([^]*)\.$/.exec(fallbacks[0]) ?? assert.fail(fallbacks[0]);
      assert.match(why, reason);
      const { error } = await run(outcome, [{ backend: 'webgl' }], bundle);
      assert.match(error, /^Error: load: webgl cannot run this model here, because it computes /);
    });
  }
});
