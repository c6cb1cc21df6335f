// Whole networks against real Keras: in Node and Chromium with either module, and in every engine with the one that it takes,
// on two threads where it has them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { allowThreads } from './support/bundles.js';
import { engines } from './support/engines.js';
import { temporary } from './support/fixture.js';
import { isolated, serve, strict } from './support/server.js';

// Node 20 has relaxed SIMD behind a flag; newer ones ignore it.
setFlagsFromString('--experimental-wasm-relaxed-simd');

const goldens = fileURLToPath(new URL('../goldens/networks/', import.meta.url));
const writer = fileURLToPath(new URL('../../target/release/golden-bundle', import.meta.url));
if (!existsSync(writer)) throw new Error(`${writer} does not exist; run cargo build --release --workspace`);

/** All at once, since the bundles are too large to be kept for one after the other. */
const browsers = new Map();
before(async () => {
  for (const engine of engines) browsers.set(engine, await engine.launch());
});
after(() => Promise.all(Array.from(browsers.values(), (browser) => browser.close())));

/** Loads and predicts once; everything it needs is in its arguments. */
async function predict({ entry, inputs, baseline, threads = 1 }) {
  const { validate } = WebAssembly;
  if (baseline) WebAssembly.validate = () => false;
  const { load } = await import(entry);
  const model = await load(undefined, { backend: 'wasm', threads }).finally(() => (WebAssembly.validate = validate));
  const x = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Float32Array.from(values)]));
  const outputs = await model.predict(x);
  const result = { module: model.module, threads: model.threads, outputs: Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, Array.from(values)])) };
  model.dispose();
  return result;
}

/** Per element: atol * max(0.01, largest) + rtol * |expected|. */
function assertClose(actual, { expected, rtol, atol }, where) {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), `${where}: names of outputs`);
  for (const [name, values] of Object.entries(expected)) {
    const scale = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0.01);
    values.forEach((value, i) => {
      const difference = Math.abs(actual[name][i] - value);
      assert.ok(difference <= atol * scale + rtol * Math.abs(value), `${where}: ${name}[${i}] is ${actual[name][i]}, Keras says ${value}`);
    });
  }
}

/**
 * What came out, by engine and how it was asked.
 * @param {string} entry @param {object} inputs @param {string} url @param {boolean} twin
 */
async function* runs(entry, inputs, url, twin) {
  for (const baseline of [true, false]) {
    const expected = { module: baseline ? 'baseline' : 'relaxed', threads: 1 };
    yield { where: 'Node', expected, run: await predict({ entry, inputs, baseline }) };
  }
  for (const [{ name, module, single }, browser] of browsers) {
    if (twin && name !== 'Chromium') continue;
    const page = await browser.newPage();
    try {
      await page.goto(`${url}/empty.html`);
      const ask = (options) => page.evaluate(predict, { entry: '/bundle/index.js', inputs, ...options });
      if (name === 'Chromium') {
        yield { where: name, expected: { module: 'baseline', threads: 1 }, run: await ask({ baseline: true }) };
        yield { where: name, expected: { module, threads: 1 }, run: await ask({}) };
      }
      yield { where: name, expected: { module, threads: single ? 1 : 2 }, run: await ask({ threads: 2 }) };
    } finally {
      await page.close();
    }
  }
}

const files = readdirSync(goldens).filter((name) => name.endsWith('.json.gz'));
assert.ok(files.length > 0, `${goldens} is empty`);

describe('networks', () => {
  for (const file of files) {
    test(file.replace('.json.gz', ''), async () => {
      const folder = temporary('network');
      const { status, stderr } = spawnSync(writer, [join(goldens, file), folder], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      allowThreads(join(folder, 'dist'), 2);
      const golden = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'));
      // To an engine, the same network from Keras 2 and from Keras 3 is the same.
      const twin = file.startsWith('k2-') && files.includes(file.replace('k2-', 'k3-'));
      const folders = { '/bundle/': join(folder, 'dist'), '/': new URL('pages/', import.meta.url).pathname };
      const server = await serve(folders, { ...isolated, ...strict });
      try {
        for await (const { where, expected, run } of runs(join(folder, 'dist/index.js'), golden.inputs, server.url, twin)) {
          const { module, threads, outputs } = run;
          assert.deepEqual({ module, threads }, expected, where);
          assertClose(outputs, golden, `${where}, ${module}, ${threads} threads`);
        }
      } finally {
        await server.close();
        rmSync(folder, { recursive: true });
      }
    });
  }
});
