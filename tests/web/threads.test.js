// Several threads, in Node and in browsers: the same numbers as one, calls in order, workers that end and that die.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { after, afterEach, describe, test } from 'node:test';
import { everyEngine } from './support/engines.js';
import { compile, examples, manifestOf } from './support/bundles.js';
import { faults, isolated, serve, strict } from './support/server.js';

const model = join(examples, 'digits/digits.h5');
const wasm = ['--backends', 'wasm'];
const folder = compile(model, { args: wasm, useful: 16 });
const small = compile(model, { args: wasm });
const single = compile(model, { args: [...wasm, '--threads', 'off'] });
const entry = join(folder, 'index.js');
const empty = fileURLToPath(new URL('pages/', import.meta.url));

/** What one and several threads say, and calls that overlap; everything it needs is in its arguments. */
async function compare({ entry, threads }) {
  const { load } = await import(entry);
  const images = Array.from({ length: 6 }, (_, n) => Float32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i * (n + 1)))));
  const one = await load(undefined, { threads: 1 });
  const several = await load(undefined, { threads, profile: true });
  const expected = [];
  for (const image of images) expected.push(Array.from((await one.predict(image)).digit));
  const input = new Float32Array(64);
  const calls = images.map((image) => {
    input.set(image);
    return several.predict({ image: input });
  });
  input.fill(0);
  const found = (await Promise.all(calls)).map(({ digit }) => Array.from(digit));
  const out = { digit: new Float32Array(10) };
  const same = (await several.predict(images[0], { out })).digit === out.digit;
  const steps = (await several.profile(images[0])).length;
  const { fallbacks } = several;
  const result = { threads: [one.threads, several.threads], fallbacks, expected, found, out: Array.from(out.digit), same, steps };
  [one, several].forEach((model) => model.dispose());
  return result;
}

/** @param {string} [single] Why there should be one thread. */
function checkComparison({ threads, fallbacks, expected, found, out, same, steps }, count, single) {
  assert.deepEqual(threads, [1, single ? 1 : count]);
  assert.deepEqual(singles(fallbacks), single ? [single] : []);
  assert.deepEqual(found, expected);
  assert.deepEqual(out, expected[0]);
  assert.ok(same);
  assert.equal(steps, manifestOf(folder).backends.wasm.steps);
}

/** The reasons for one thread; there are other fallbacks. */
const singles = (fallbacks) => fallbacks.map((text) => text.match(/^There is one thread only, because (.*)\.$/)?.[1]).filter(Boolean);

const lost = /^Error: a thread of the model ended \(.*\); try again, new threads will be started$/;
const zeros = new Float32Array(64);

describe('in Node', async () => {
  const { load } = await import(entry);
  // Workers that nobody waits for keep no process alive, not even this one.
  const alive = setInterval(() => {}, 1000);
  after(() => clearInterval(alive));
  const workers = [];
  process.on('worker', (worker) => workers.push(worker));
  /** Those of the model that is loaded next. */
  const watch = () => workers.splice(0);

  for (const threads of [2, 3]) {
    test(`${threads} threads say what one says, in order`, async () => checkComparison(await compare({ entry, threads }), threads));
  }
  test('a small model stays on one thread by itself', async () => {
    watch();
    const { load } = await import(join(small, 'index.js'));
    const model = await load();
    assert.deepEqual([model.threads, model.fallbacks.filter((why) => /thread/.test(why)), workers.length], [1, [], 0]);
    model.dispose();
  });
  test('and when several are asked for, which is said', async (context) => {
    watch();
    const warn = context.mock.method(console, 'warn', () => {});
    const { load } = await import(join(small, 'index.js'));
    const model = await load(undefined, { threads: 2 });
    const said = 'There is one thread only, because this model is so quick that more would make it slower.';
    assert.deepEqual([model.threads, workers.length], [1, 0]);
    assert.ok(model.fallbacks.includes(said));
    assert.ok(warn.mock.calls[0].arguments[0].includes(said));
    model.dispose();
  });
  test('dispose ends the workers and rejects what is under way', async () => {
    watch();
    const model = await load(undefined, { threads: 2 });
    const exits = Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
    assert.equal(workers.length, 2);
    const calls = [model.predict(zeros), model.predict(zeros)];
    model.dispose();
    model.dispose();
    for (const call of calls) await assert.rejects(call, { name: 'InvalidStateError' });
    await assert.rejects(model.predict(zeros), { name: 'InvalidStateError' });
    await exits;
  });
  test('a worker that dies rejects, and the next call works', async () => {
    watch();
    const model = await load(undefined, { threads: 2 });
    const expected = await model.predict(zeros);
    for (const victim of [0, 1]) {
      const team = watch();
      assert.equal(team.length, 2);
      const gone = team[victim].terminate();
      const call = model.predict(zeros);
      if (victim === 0) await assert.rejects(call, (error) => lost.test(String(error)));
      // The first needs no help.
      else await call.then((found) => assert.deepEqual(found, expected), (error) => assert.match(String(error), lost));
      await gone;
      assert.deepEqual(await model.predict(zeros), expected);
    }
    assert.equal(watch().length, 2);
    model.dispose();
  });
  test('the process ends although a model is loaded', () => {
    const code = `const { load } = await import(${JSON.stringify(entry)});
      const model = await load(undefined, { threads: 2 });
      console.log((await model.predict(new Float32Array(64))).digit.length, model.threads);`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 20_000 });
    assert.deepEqual([status, stdout, stderr], [0, '10 2\n', '']);
  });
  test('a number of threads that makes no sense is refused', async () => {
    for (const threads of [0, 1.5, -1, NaN, 'two']) {
      await assert.rejects(load(undefined, { threads }), {
        name: 'RangeError',
        message: `load: threads is ${threads}; pass 'auto' or a whole number from 1`,
      });
    }
  });
  test('a load that is given up leaves no worker', async () => {
    watch();
    const controller = new AbortController();
    const onProgress = ({ loaded, total }) => loaded === total && controller.abort();
    await assert.rejects(load(undefined, { threads: 2, signal: controller.signal, onProgress }), { name: 'AbortError' });
    await pause(200);
    // Threads that have ended have no id.
    assert.ok(workers.every(({ threadId }) => threadId === -1));
  });
});

describe('a bundle for one thread', () => {
  test('has no code for more', () => {
    const names = readdirSync(single);
    assert.deepEqual(names.filter((name) => /thread|worker/.test(name)), []);
    const scripts = names.filter((name) => name.endsWith('.js'));
    assert.deepEqual(scripts, ['index.js']);
    for (const name of scripts) assert.doesNotMatch(readFileSync(join(single, name), 'utf8'), /new Worker|Atomics|threads\.js|worker\.js|\/\/ keras-compile: /, name);
  });
  test('says once that it has one', async (context) => {
    const warn = context.mock.method(console, 'warn', () => {});
    const { load } = await import(join(single, 'index.js'));
    const said = 'There is one thread only, because the model was compiled with --threads off.';
    for (let i = 0; i < 2; i++) {
      const model = await load(undefined, { threads: 2 });
      assert.equal(model.threads, 1);
      assert.ok(model.fallbacks.includes(said));
    }
    assert.equal(warn.mock.callCount(), 1);
    assert.ok(warn.mock.calls[0].arguments[0].includes(said));
    assert.ok(!(await load()).fallbacks.includes(said));
  });
});

const servers = [];
after(() => Promise.all(servers.map((server) => server.close())));

everyEngine(({ single, singleInWorker }, browser) => {
  const pages = [];
  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.close()));
    assert.equal(await left(), 0, 'workers of pages that were closed');
  });

  /** A page of a new server. */
  async function open(headers) {
    const server = await serve({ '/bundle/': folder, '/': empty }, headers);
    servers.push(server);
    const page = await browser.newPage();
    pages.push(page);
    await page.goto(`${server.url}/empty.html`);
    return { server, page };
  }

  /** Workers that have not ended after a while. */
  async function left() {
    for (let i = 0; i < 250 && browser.workers(); i++) await pause(20);
    return browser.workers();
  }

  test('two threads say what one says, under the strictest policy', async () => {
    const { page } = await open({ ...isolated, ...strict });
    checkComparison(await page.evaluate(compare, { entry: '/bundle/index.js', threads: 2 }), 2, single);
    assert.equal(await left(), 0);
  });

  test('so they do when a worker asks', async () => {
    const { page } = await open(isolated);
    const found = await page.evaluate(
      ({ source }) =>
        new Promise((resolve) => {
          const code = `${source}\ncompare({ entry: location.origin + '/bundle/index.js', threads: 2 }).then(postMessage, (error) => postMessage(String(error)));`;
          new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' }).onmessage = ({ data }) => resolve(data);
        }),
      { source: compare.toString() },
    );
    checkComparison(found, 2, singleInWorker);
  });

  test('one thread where the page is not isolated, said once', async () => {
    const { page } = await open();
    const { found, warnings } = await page.evaluate(async () => {
      const warnings = [];
      console.warn = (...words) => warnings.push(words.join(' '));
      const { load } = await import('/bundle/index.js');
      const silent = await load();
      const models = [await load(undefined, { threads: 2 }), await load(undefined, { threads: 2 })];
      const found = [silent, ...models].map(({ threads, fallbacks }) => [threads, fallbacks]);
      return { found, warnings };
    });
    const reason = 'the page is not cross-origin isolated; serve it with ' +
      'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
    assert.deepEqual(found.map(([threads, fallbacks]) => [threads, singles(fallbacks)]), [1, 2, 3].map(() => [1, [reason]]));
    assert.equal(warnings.length, 1);
    assert.ok(warnings[0].startsWith('keras-compile: ') && warnings[0].includes(reason), warnings[0]);
  });

  // The others are about threads that there are.
  if (single) return;

  test('the page is not blocked', async () => {
    const { page } = await open(isolated);
    const calls = await page.evaluate(async () => {
      const { load } = await import('/bundle/index.js');
      const model = await load(undefined, { threads: 2 });
      const { wait } = Atomics;
      Atomics.wait = () => { throw new Error('the page waits'); };
      const results = await Promise.all(Array.from({ length: 20 }, () => model.predict(new Float32Array(64))));
      Atomics.wait = wait;
      return results.length;
    });
    assert.equal(calls, 20);
  });

  test('dispose ends the workers', async () => {
    const { page } = await open(isolated);
    await page.evaluate(async () => {
      const { load } = await import('/bundle/index.js');
      window.model = await load(undefined, { threads: 3 });
    });
    assert.equal(browser.workers(), 3);
    await page.evaluate(() => window.model.dispose());
    assert.equal(await left(), 0);
  });

  test('a worker that fails rejects what is under way, and the next call works', async () => {
    const { page, server } = await open(isolated);
    // Only `profile` runs this step alone.
    server.fault(/worker\.js$/, (file, response, { headers }) =>
      response.writeHead(200, headers).end(String(file).replace('run?.(', 'if (begin === 3) throw new Error("boom");\n      run?.(')));
    const found = await page.evaluate(async () => {
      const { load } = await import('/bundle/index.js');
      const model = await load(undefined, { threads: 2, profile: true });
      const x = new Float32Array(64);
      const before = Array.from((await model.predict(x)).digit);
      const error = await model.profile(x).then(() => 'answered', String);
      const after = Array.from((await model.predict(x)).digit);
      model.dispose();
      return { before, error, after };
    });
    assert.match(found.error, lost);
    assert.match(found.error, /boom/);
    assert.deepEqual(found.after, found.before);
  });

  test('a worker that fails at once rejects, with its reason', async () => {
    const { page, server } = await open(isolated);
    server.fault(/worker\.js$/, (file, response, { headers }) =>
      response.writeHead(200, headers).end(String(file).replace('run?.(', 'throw new Error("boom");\n      run?.(')));
    const error = await page.evaluate(async () => {
      const { load } = await import('/bundle/index.js');
      const model = await load(undefined, { threads: 2 });
      return model.predict(new Float32Array(64));
    }).then(() => 'answered', String);
    assert.match(error, /a thread of the model ended \(Error: boom\); try again/);
  });

  // To the page it looks the same when an engine forgets one.
  test('one thread where workers do not start', async () => {
    const { page, server } = await open(isolated);
    server.fault(/worker\.js$/, faults.stalled);
    server.fault(/index\.js$/, (file, response, { headers }) =>
      response.writeHead(200, headers).end(String(file).replace('=20_000;', '=500;')));
    const { threads, fallbacks, found, expected } = await page.evaluate(async () => {
      const { load } = await import('/bundle/index.js');
      const x = Float32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i)));
      const one = await load(undefined, { threads: 1 });
      const model = await load(undefined, { threads: 2 });
      const [expected, found] = [await one.predict(x), await model.predict(x)].map(({ digit }) => Array.from(digit));
      return { threads: model.threads, fallbacks: model.fallbacks, found, expected };
    });
    const why = 'workers cannot be started (one did not start within 0.5 s)';
    assert.deepEqual({ threads, singles: singles(fallbacks) }, { threads: 1, singles: [why] });
    assert.deepEqual(found, expected);
  });

  test('one thread where workers cannot be loaded', async () => {
    const { page, server } = await open(isolated);
    server.fault(/worker\.js$/, faults.missing);
    const found = await page.evaluate(async () => {
      const warnings = [];
      console.warn = (...words) => warnings.push(words.join(' '));
      const { load } = await import('/bundle/index.js');
      // A network that takes two by itself.
      const manifest = await (await fetch('/bundle/manifest.json')).json();
      manifest.backends.wasm.threads.useful = 2;
      const useful = (url, init) => (url.endsWith('manifest.json') ? new Response(JSON.stringify(manifest)) : fetch(url, init));
      for (let i = 0; i < 2; i++) await load('/bundle', { backend: 'wasm', fetch: useful });
      const model = await load(undefined, { backend: 'wasm', threads: 2 });
      const { digit } = await model.predict(new Float32Array(64));
      return { threads: model.threads, fallbacks: model.fallbacks, length: digit.length, warnings };
    });
    assert.deepEqual([found.threads, found.length], [1, 10]);
    assert.match(found.fallbacks[0], /^There is one thread only, because workers cannot be started \(.*\)\.$/);
    assert.deepEqual(found.warnings, [`keras-compile: ${found.fallbacks[0]}`]);
  });
});
