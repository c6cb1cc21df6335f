// A page with a model on two threads, as Vite and as webpack build it.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { after, describe, test } from 'node:test';
import * as vite from 'vite';
import webpack from 'webpack';
import { launch } from './support/browser.js';
import { compile, examples } from './support/bundles.js';
import { temporary } from './support/fixture.js';
import { isolated, serve, strict } from './support/server.js';

const sources = join(temporary('bundled'), 'page');
cpSync(fileURLToPath(new URL('pages/bundled/', import.meta.url)), sources, { recursive: true });
const folder = compile(join(examples, 'digits/digits.h5'), { folder: join(sources, 'model') });
const { load } = await import(join(folder, 'index.js'));
const expected = Array.from((await (await load()).predict(new Float32Array(64))).digit);

const browser = await launch();
after(() => browser.close());

/** What a built page says. */
async function results(built) {
  const server = await serve({ '/': built }, { ...isolated, ...strict });
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}/index.html`);
    await page.waitForFunction(() => window.results);
    return await page.evaluate(() => window.results);
  } finally {
    await page.close();
    await server.close();
  }
}

/** Products may be fused in one of the two. */
function check({ threads, fallbacks, digit, error }) {
  assert.equal(error, undefined);
  assert.deepEqual([threads, fallbacks], [2, []]);
  digit.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-5, `${value} instead of ${expected[i]}`));
}

describe('a page built by', () => {
  test('Vite', async () => {
    const outDir = temporary('vite');
    await vite.build({
      root: sources,
      configFile: false,
      logLevel: 'error',
      build: { outDir, emptyOutDir: false, assetsInlineLimit: 0, target: 'es2022' },
    });
    check(await results(outDir));
  });

  test('webpack', async () => {
    const path = temporary('webpack');
    mkdirSync(path, { recursive: true });
    cpSync(join(sources, 'index.html'), join(path, 'index.html'));
    const stats = await promisify(webpack)({
      mode: 'production',
      context: sources,
      entry: './main.js',
      output: { path, filename: 'main.js' },
      performance: false,
    });
    assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
    check(await results(path));
  });
});
