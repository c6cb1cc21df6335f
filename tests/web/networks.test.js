// Whole networks against real Keras, in Node and in Chromium, with either module.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { launch } from './support/browser.js';
import { temporary } from './support/fixture.js';
import { serve, strict } from './support/server.js';

// Node 20 has relaxed SIMD behind a flag; newer ones ignore it.
setFlagsFromString('--experimental-wasm-relaxed-simd');

const goldens = fileURLToPath(new URL('../goldens/networks/', import.meta.url));
const writer = fileURLToPath(new URL('../../target/release/golden-bundle', import.meta.url));
if (!existsSync(writer)) throw new Error(`${writer} does not exist; run cargo build --release --workspace`);

const browser = await launch();
after(() => browser.close());

/** Loads and predicts once; everything it needs is in its arguments. */
async function predict({ entry, inputs, baseline }) {
  const { validate } = WebAssembly;
  if (baseline) WebAssembly.validate = () => false;
  const { load } = await import(entry);
  const model = await load().finally(() => (WebAssembly.validate = validate));
  const x = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Float32Array.from(values)]));
  const outputs = await model.predict(x);
  const result = { module: model.module, outputs: Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, Array.from(values)])) };
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

const files = readdirSync(goldens).filter((name) => name.endsWith('.json.gz'));
assert.ok(files.length > 0, `${goldens} is empty`);

describe('networks', () => {
  for (const file of files) {
    test(file.replace('.json.gz', ''), async () => {
      const folder = temporary('network');
      const { status, stderr } = spawnSync(writer, [join(goldens, file), folder], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const golden = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'));
      const server = await serve({ '/bundle/': join(folder, 'dist'), '/': new URL('pages/', import.meta.url).pathname }, strict);
      const page = await browser.newPage();
      try {
        await page.goto(`${server.url}/empty.html`);
        for (const baseline of [true, false]) {
          const module = baseline ? 'baseline' : 'relaxed';
          const runs = {
            node: await predict({ entry: join(folder, 'dist/index.js'), inputs: golden.inputs, baseline }),
            chromium: await page.evaluate(predict, { entry: '/bundle/index.js', inputs: golden.inputs, baseline }),
          };
          for (const [where, run] of Object.entries(runs)) {
            assert.equal(run.module, module, where);
            assertClose(run.outputs, golden, `${where}, ${module}`);
          }
        }
      } finally {
        await page.close();
        await server.close();
        rmSync(folder, { recursive: true });
      }
    });
  }
});
