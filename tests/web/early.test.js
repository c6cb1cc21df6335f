// A model that is loaded early: a prediction goes as far as the weights that are there allow, gives the very numbers, and fails with
// what cannot be loaded. In Node and Chromium, on every backend.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { after, afterEach, describe, test } from 'node:test';
import { affine, temporary } from './support/fixture.js';
import { allowThreads, compiler, manifestOf } from './support/bundles.js';
import { launch } from './support/browser.js';
import { faults, isolated, serve } from './support/server.js';

// Node 20 has relaxed SIMD behind a flag; newer ones ignore it.
setFlagsFromString('--experimental-wasm-relaxed-simd');

/** A network whose weights are several files. */
const golden = fileURLToPath(new URL('../goldens/networks/k3-MobileNetV2.json.gz', import.meta.url));
const writer = fileURLToPath(new URL('../../target/release/golden-bundle', import.meta.url));
const root = temporary('early');
const { status, stderr, error } = spawnSync(writer, [golden, root], { encoding: 'utf8' });
assert.equal(status, 0, String(error ?? stderr));
const folder = join(root, 'dist');
allowThreads(folder, 2);
const manifest = manifestOf(folder);
const { shards, order = shards.map((_, i) => i) } = manifest.weights;
const last = shards[order.at(-1)];
const single = affine({ weightBytes: 100 });

const server = await serve({ '/bundle/': folder, '/single/': single, '/': fileURLToPath(new URL('pages/', import.meta.url)) }, isolated);
after(() => server.close());
afterEach(() => server.heal());

const whole = (file, response, { headers }) => response.writeHead(200, headers).end(file);

/** Holds the last file of weights back until told to answer. */
function hold(act = whole) {
  let release = () => {};
  const released = new Promise((resolve) => (release = resolve));
  server.fault(new RegExp(last), async (...given) => {
    await released;
    act(...given);
  });
  return release;
}

test('the manifest says what can be run when', () => {
  for (const [name, { ready, steps, prepare = 0 }] of Object.entries(manifest.backends)) {
    assert.equal(ready.length, shards.length, name);
    assert.deepEqual(ready.at(-1), [prepare, steps], name);
    assert.ok(ready[0][1] > steps / 2, name);
    assert.ok(ready.every(([, steps], i) => i === 0 || steps >= ready[i - 1][1]), name);
  }
});

test('inspect says what is wrong with that', () => {
  const copy = join(temporary('inspected'), 'dist');
  cpSync(folder, copy, { recursive: true });
  // It says how many threads are of use, which was changed.
  rmSync(join(copy, 'index.js'));
  const faulty = (change) => {
    const wrong = structuredClone(manifest);
    delete wrong.files['index.js'];
    change(wrong);
    writeFileSync(join(copy, 'manifest.json'), JSON.stringify(wrong));
    return spawnSync(compiler, ['inspect', copy], { encoding: 'utf8' }).stderr;
  };
  assert.equal(faulty(() => {}), '');
  for (const order of [[0, 1], [0, 0, 1, 2], [1, 2, 3, 4]]) {
    assert.match(faulty(({ weights }) => (weights.order = order)), /manifest\.json: is damaged \(weights\.order: has not each file once\)/);
  }
  for (const change of [(ready) => ready.pop(), (ready) => ready.reverse(), (ready) => ready[3][1]--]) {
    const said = /manifest\.json: is damaged \(backends\.webgpu\.ready: its files and steps are others\); compile the model anew/;
    assert.match(faulty(({ backends }) => change(backends.webgpu.ready)), said);
  }
});

/** A picture, and another one. */
const pictures = ({ inputs: [{ shape }] }) => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return [1, 2].map((n) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * n)));
};
const numbers = (outputs) => Array.from(Object.values(outputs)[0]);

describe('in Node', async () => {
  const { load, BundleError } = await import(join(folder, 'index.js'));
  const where = `${server.url}/bundle`;
  const workers = [];
  process.on('worker', (worker) => workers.push(worker));

  for (const threads of [1, 2]) {
    const options = { backend: 'wasm', threads };
    const early = { ...options, early: true };

    test(`${threads} thread(s) compute before the last file is there, and the same`, async (context) => {
      const late = await load(where, options);
      const [x, other] = pictures(late);
      const expected = [numbers(await late.predict(x)), numbers(await late.predict(other))];
      late.dispose();
      workers.length = 0;
      const ran = [];
      const { instantiate } = WebAssembly;
      // Exports cannot be changed.
      context.mock.method(WebAssembly, 'instantiate', async (...given) => {
        const made = await instantiate(...given);
        const { run } = made.exports ?? {};
        return run ? { exports: { ...made.exports, run: (begin, end) => (ran.push(end), run(begin, end)) } } : made;
      });
      const release = hold();
      const model = await load(where, early);
      assert.deepEqual([model.threads, model.backend], [threads, 'wasm']);
      let answered = false;
      let ready = false;
      model.ready.then(() => (ready = true));
      ran.length = 0;
      workers.forEach((worker) => worker.on('message', ({ ms }) => ms !== undefined && ran.push(0)));
      const passed = x.slice();
      const first = model.predict(passed).then(numbers).finally(() => (answered = true));
      passed.fill(0);
      const second = model.predict(other).then(numbers);
      const { ready: counts, prepare } = manifest.backends.wasm;
      const most = prepare + counts.at(-2)[1];
      for (let i = 0; i < 200 && (threads > 1 ? !ran.length : ran.at(-1) !== most); i++) await pause(20);
      if (threads > 1) assert.ok(ran.length > 0, 'no step was run');
      else assert.equal(ran.at(-1), most);
      assert.deepEqual([answered, ready], [false, false]);
      release();
      assert.deepEqual(await first, expected[0]);
      assert.deepEqual(await second, expected[1]);
      await model.ready;
      assert.deepEqual(numbers(await model.predict(x)), expected[0]);
      model.dispose();
    });

    test(`${threads} thread(s) reject with the file that is broken`, async () => {
      // Else it may be there before the threads are, and end the load.
      const release = hold(faults.flipped);
      const model = await load(where, early);
      const [x] = pictures(model);
      setTimeout(release, 100);
      const broken = (error) => error instanceof BundleError && error.url === `${where}/${last}` && /is damaged/.test(error.message);
      await Promise.all([model.predict(x), model.predict(x), model.ready].map((call) => assert.rejects(call, broken)));
      await assert.rejects(model.predict(x), broken);
      model.dispose();
      await assert.rejects(model.predict(x), { name: 'InvalidStateError' });
    });

    test(`${threads} thread(s) end with dispose, and the downloads too`, async () => {
      server.fault(new RegExp(last), faults.stalled);
      const model = await load(where, early);
      const [x] = pictures(model);
      const calls = [model.predict(x), model.predict(x), model.ready];
      server.log.length = 0;
      setTimeout(() => model.dispose(), 300);
      for (const call of calls) await assert.rejects(call, { name: 'InvalidStateError' });
      await pause(100);
      assert.ok(server.log.filter(({ path }) => path.endsWith(last)).every(({ hungUp }) => hungUp));
    });

    test(`${threads} thread(s) give up a call whose signal is aborted, and no other`, async () => {
      const release = hold();
      const model = await load(where, early);
      const [x, other] = pictures(model);
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [model.predict(x, { signal }), model.predict(other, { signal }), model.predict(x)];
      setTimeout(() => controller.abort(), 100);
      for (const call of calls.slice(0, 2)) await assert.rejects(call, { name: 'AbortError' });
      release();
      assert.deepEqual(numbers(await calls[2]), numbers(await model.predict(x)));
      model.dispose();
    });

    test(`${threads} thread(s) end with the signal of load`, async () => {
      server.fault(new RegExp(last), faults.stalled);
      const controller = new AbortController();
      const reason = new Error('enough');
      const model = await load(where, { ...early, signal: controller.signal });
      const [x] = pictures(model);
      const calls = [model.predict(x), model.ready];
      setTimeout(() => controller.abort(reason), 300);
      for (const call of calls) await assert.rejects(call, (error) => error === reason);
      model.dispose();
    });
  }

  test('files are asked for in their order, three at a time', async () => {
    server.log.length = 0;
    let open = 0;
    let most = 0;
    const own = async (url, init) => {
      most = Math.max(most, (open += url.endsWith('.bin')));
      const response = await fetch(url, init);
      setTimeout(() => (open -= url.endsWith('.bin')), 20);
      return response;
    };
    const model = await load(where, { backend: 'wasm', threads: 1, early: true, fetch: own });
    await model.ready;
    model.dispose();
    const asked = server.log.map(({ path }) => path.split('/').at(-1)).filter((name) => name.startsWith('weights'));
    assert.deepEqual(asked, order.map((i) => shards[i]));
    assert.ok(most <= 3, `${most} at a time`);
  });

  test('a single file of weights is loaded as ever', async () => {
    const { load } = await import(join(single, 'index.js'));
    assert.ok(!readFileSync(join(single, 'index.js'), 'utf8').includes('inParts'));
    const model = await load(undefined, { early: true });
    assert.equal(await model.ready, undefined);
    assert.deepEqual(Array.from((await model.predict(Float32Array.of(1, 2, 3, 4))).y), [12, 24, 36, 48]);
    model.dispose();
  });

  test('an order that is none is refused', async () => {
    for (const order of [[0, 1], [0, 0, 1, 2], [1, 2, 3, 4], 'first', [0, 1, 2, '3']]) {
      const wrong = { ...manifest, weights: { ...manifest.weights, order } };
      server.heal();
      server.fault(/manifest/, faults.text(JSON.stringify(wrong)));
      await assert.rejects(load(where), { name: 'BundleError', message: /has a "weights" that makes no sense; compile the model anew$/ });
    }
  });
});

describe('in Chromium', async () => {
  const browser = await launch([], { gpu: true });
  after(() => browser.close());

  /** Loads, with what counts the work of a backend, and predicts as soon as it can. To be run in a page. */
  async function begin(options) {
    const { load } = await import('/bundle/index.js');
    let work = 0;
    const count = (owner, name) => {
      const { [name]: own } = owner.prototype;
      owner.prototype[name] = function (...given) {
        work++;
        return own.apply(this, given);
      };
    };
    if (options.backend === 'webgpu') count(GPUComputePassEncoder, 'dispatchWorkgroups');
    if (options.backend === 'webgl') count(WebGL2RenderingContext, 'drawArrays');
    const model = await load(undefined, options);
    const size = model.inputs[0].shape.reduce((product, extent) => product * extent, 1);
    const x = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
    work = 0;
    const calls = [model.predict(x), model.predict(x)];
    const state = { answered: false };
    calls.forEach((call) => call.then(() => (state.answered = true), () => {}));
    Object.assign(globalThis, { model, calls, state, work: () => work });
    return { backend: model.backend, threads: model.threads };
  }
  /** What came of it. To be run in a page. */
  async function end() {
    const told = ({ name, message }) => `${name}: ${message}`;
    const found = [...globalThis.calls, globalThis.model.ready];
    const [first, second, ready] = await Promise.all(found.map((call) => call.catch(told)));
    const third = await globalThis.model.predict(new Float32Array(globalThis.model.inputs[0].shape.reduce((a, b) => a * b))).catch(told);
    const settled = await globalThis.model.settled;
    const numbers = (outputs) => (typeof outputs === 'string' ? outputs : Array.from(Object.values(outputs)[0]));
    const result = { first: numbers(first), second: numbers(second), ready, third: numbers(third), settled };
    globalThis.model.dispose();
    return result;
  }

  const visit = async (options, between = () => {}) => {
    const page = await browser.newPage();
    try {
      await page.goto(`${server.url}/empty.html`);
      const begun = await page.evaluate(begin, options);
      await between(page);
      return { ...begun, ...(await page.evaluate(end)) };
    } finally {
      await page.close();
    }
  };

  for (const options of [
    { backend: 'wasm', threads: 1 }, { backend: 'wasm', threads: 2 }, { backend: 'webgpu' }, { backend: 'webgl' },
    { backend: ['webgpu', 'wasm'], cache: 'storage' },
  ]) {
    const { backend, threads } = options;
    const several = Array.isArray(backend);

    test(`${backend}${threads ? ` on ${threads} thread(s)` : ''}: the same, sooner`, async () => {
      const late = await visit({ ...options, backend: several ? 'wasm' : backend, cache: undefined });
      const release = hold();
      const found = await visit({ ...options, early: true }, async (page) => {
        // More than half of the steps, of a dispatch or draw or more each.
        const enough = threads || several ? 0 : manifest.backends[backend].steps / 2;
        await page.waitForFunction((enough) => globalThis.work() >= enough, enough);
        await pause(200);
        assert.equal(await page.evaluate(() => globalThis.state.answered), false);
        release();
      });
      assert.deepEqual(found.first, late.first);
      assert.equal(found.backend, several ? 'wasm' : backend);
      assert.equal(found.threads, threads ?? (several ? found.threads : 1));
      assert.equal(found.settled, several ? 'webgpu' : backend);
      if (several) return;
      assert.deepEqual([found.second, found.third], [late.second, late.third]);
    });

    test(`${backend}${threads ? ` on ${threads} thread(s)` : ''}: a broken file`, async () => {
      const found = await visit({ ...options, cache: undefined, early: true }, hold(faults.missing));
      for (const what of [found.first, found.second, found.third, found.ready]) {
        assert.match(String(what), new RegExp(`^BundleError: .*${last}: the server answered 404`));
      }
    });
  }

  for (const [backend, type, name] of [['webgpu', 'GPUComputePassEncoder', 'dispatchWorkgroups'], ['webgl', 'WebGL2RenderingContext', 'drawArrays']]) {
    test(`${backend} that computes wrong numbers gives none`, async () => {
      const release = hold();
      const found = await visit({ backend, early: true }, async (page) => {
        await page.evaluate(([type, name]) => (globalThis[type].prototype[name] = () => {}), [type, name]);
        release();
      });
      for (const what of [found.first, found.second, found.third, found.ready]) assert.match(String(what), /^Error: the model cannot run here, because it computes wrong numbers: /);
    });
  }
});
