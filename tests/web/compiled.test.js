// Whole bundles from the compiler: the digits example, and the folders in BUNDLES (with ":" between them).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { everyEngine } from './support/engines.js';
import { compile, examples, inputsFor, manifestOf } from './support/bundles.js';
import { serve, strict } from './support/server.js';

const named = (process.env.BUNDLES ?? '').split(':').filter(Boolean).map((folder) => resolve(folder));
const folders = [compile(join(examples, 'digits/digits.h5')), ...named];

/** Loads and predicts twice, in Node or in a page; everything it needs is in its arguments. */
async function predict({ entry, inputs, baseline }) {
  const { validate } = WebAssembly;
  if (baseline) WebAssembly.validate = () => false;
  const { load } = await import(entry);
  const model = await load(undefined, { profile: true }).finally(() => (WebAssembly.validate = validate));
  const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array, int64: BigInt64Array };
  const x = Object.fromEntries(
    model.inputs.map(({ name, dtype }) => [name, arrays[dtype].from(inputs[name], dtype === 'int64' ? BigInt : Number)]),
  );
  const numbers = (outputs) => Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, Array.from(values, Number)]));
  const first = numbers(await model.predict(x));
  const second = numbers(await model.predict(x));
  const steps = await model.profile(x);
  model.dispose();
  return { module: model.module, first, second, steps: steps.length };
}

/** As numbers from Keras are compared: relative to the largest of the output. */
function assertClose(actual, expected, what) {
  for (const [name, values] of Object.entries(expected)) {
    const scale = Math.max(...values.map(Math.abs), 1e-30);
    values.forEach((value, i) => {
      const difference = Math.abs(actual[name][i] - value);
      assert.ok(difference <= 1e-4 * scale + 1e-3 * Math.abs(value), `${what}: ${name}[${i}] is ${actual[name][i]}, not ${value}`);
    });
  }
}

const title = (folder) => `${basename(resolve(folder, '..'))}/${basename(folder)}`;

for (const folder of folders) {
  describe(title(folder), () => {
    const manifest = manifestOf(folder);

    test('lists every file but the manifest, with its length and SHA-256', () => {
      const files = readdirSync(folder).filter((name) => name !== 'manifest.json');
      const found = files.map((name) => {
        const bytes = readFileSync(join(folder, name));
        return [name, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }];
      });
      assert.deepEqual(manifest.files, Object.fromEntries(found));
    });

    test('names every file in index.js, for bundlers', () => {
      const source = readFileSync(join(folder, 'index.js'), 'utf8');
      const labels = Object.entries(manifest.backends).map(([name, { code }]) => [name, Object.keys(code).sort()]);
      assert.deepEqual(Object.fromEntries(labels), {
        wasm: ['baseline', 'relaxed', 'threads-baseline', 'threads-relaxed'],
        webgl: ['check', 'program', 'shaders'],
        webgpu: ['check', 'check-software', 'program', 'program-software', 'shaders', 'shaders-software'],
      });
      const own = Object.values(manifest.backends).flatMap(({ code, profile }) => [...Object.values(code), profile]);
      for (const name of [...own, ...manifest.weights.shards]) {
        assert.ok(source.includes(`new URL('./${name}', import.meta.url)`), name);
      }
    });
  });
}

everyEngine((engine, browser) => {
  for (const folder of folders) {
    test(`${title(folder)} predicts the same as in Node, with either module`, async () => {
      const manifest = manifestOf(folder);
      const server = await serve({ '/bundle/': folder, '/': new URL('pages/', import.meta.url).pathname }, strict);
      const page = await browser.newPage();
      try {
        await page.goto(`${server.url}/empty.html`);
        const inputs = inputsFor(manifest);
        const runs = {
          node: await predict({ entry: join(folder, 'index.js'), inputs, baseline: true }),
          baseline: await page.evaluate(predict, { entry: '/bundle/index.js', inputs, baseline: true }),
          own: await page.evaluate(predict, { entry: '/bundle/index.js', inputs, baseline: false }),
        };
        assert.deepEqual(Object.values(runs).map(({ module }) => module), ['baseline', 'baseline', engine.module]);
        for (const [where, { first, second, steps }] of Object.entries(runs)) {
          assert.equal(steps, manifest.backends.wasm.steps);
          assert.deepEqual(Object.keys(first), manifest.outputs.map(({ name }) => name));
          assert.deepEqual(second, first, `${where}: a second run`);
          assert.ok(Object.values(first).flat().every(Number.isFinite), `${where}: numbers`);
          assertClose(first, runs.node.first, where);
        }
      } finally {
        await page.close();
        await server.close();
      }
    });
  }
});

describe('the script', () => {
  /** Bytes with Brotli, as servers send it, without the lines that tell of this model. */
  const weight = (backend) => {
    const folder = compile(join(examples, 'digits/digits.h5'), { args: ['--backends', backend] });
    const text = readFileSync(join(folder, 'index.js'), 'utf8');
    const own = text.split('\n').filter((line) => !/^ +['\w]+[^]*[,{]$|^ +},$/.test(line)).join('\n');
    assert.ok(text.length - own.length > 1000);
    return brotliCompressSync(own).length;
  };

  for (const [backend, limit] of [['wasm', 12_000], ['webgpu', 15_000], ['webgl', 15_000]]) {
    test(`of ${backend} alone has at most ${limit} bytes`, () => {
      const bytes = weight(backend);
      assert.ok(bytes <= limit && bytes > limit / 2, `${bytes} bytes`);
    });
  }
});
