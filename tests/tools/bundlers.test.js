// A page with a model on two threads, as bundlers build it: served as README says, with its policy.

import assert from 'node:assert/strict';
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { after, describe, test } from 'node:test';
import * as vite from 'vite';
import webpack from 'webpack';
import { binary, check, close, page, project, results, run, served, tool, version } from './support.js';
import { isolated } from '../web/support/server.js';

after(close);

/** What these bundlers leave where it is: the model's files, beside the script. */
function copyModel(root, out) {
  for (const name of readdirSync(join(root, 'model'))) {
    if (/\.(wasm|wgsl|txt|bin)$/.test(name) || name === 'worker.js') cpSync(join(root, 'model', name), join(root, out, name));
  }
  cpSync(join(root, 'index.html'), join(root, out, 'index.html'));
}

describe(`Vite ${version('vite')}`, () => {
  const root = project('vite', page);
  const build = async (base, options = {}) => {
    const outDir = join(root, `out-${base.replaceAll('/', '-')}`);
    await vite.build({ root, base, configFile: false, logLevel: 'error', build: { outDir, target: 'es2022', ...options } });
    return outDir;
  };
  test('builds, with small files in the script', async () => {
    const out = await build('/');
    const names = readdirSync(join(out, 'assets'));
    assert.ok(!names.some((name) => name.startsWith('steps')), 'there is such a file');
    check(await served(out));
  });
  test('builds for a folder of a site', async () => check(await served(await build('/some/where/'), '/some/where/')));
  test('builds for any folder', async () => check(await served(await build('./'), '/any/')));
  test('serves for development', async () => {
    const server = await vite.createServer({ root, configFile: false, logLevel: 'error', server: { headers: isolated, port: 0, host: '127.0.0.1' } });
    try {
      await server.listen();
      check(await results(`http://127.0.0.1:${server.httpServer.address().port}/`));
    } finally {
      await server.close();
    }
  });
});

test(`webpack ${version('webpack')}`, async () => {
  const root = project('webpack', page);
  const path = join(root, 'out');
  const stats = await promisify(webpack)({
    mode: 'production',
    context: root,
    entry: './main.js',
    output: { path, filename: 'main.js' },
    performance: false,
  });
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  assert.deepEqual([errors, warnings], [[], []]);
  cpSync(join(root, 'index.html'), join(path, 'index.html'));
  check(await served(path));
});

test(`Parcel ${version('parcel')}`, async () => {
  const root = project('parcel', page);
  tool(root, 'parcel/lib/bin.js', ['build', 'index.html', '--dist-dir', 'out', '--cache-dir', 'cache', '--public-url', './']);
  check(await served(join(root, 'out')));
});

test(`esbuild ${version('esbuild')}, with the model's files copied`, async () => {
  const root = project('esbuild', page);
  run(root, binary('.bin/esbuild'), ['main.js', '--bundle', '--format=esm', '--outdir=out']);
  copyModel(root, 'out');
  check(await served(join(root, 'out')));
});

test(`esbuild ${version('esbuild')}, as a script that is no module, told where the model is`, async () => {
  const main = page['main.js'].replace('predict(2)', "predict(1, './model')");
  const root = project('esbuild-iife', { ...page, 'main.js': main });
  run(root, binary('.bin/esbuild'), ['main.js', '--bundle', '--format=iife', '--outfile=main.js', '--allow-overwrite', '--log-level=error']);
  check(await served(root), 1);
});

test(`Rollup ${version('rollup')}, with the model's files copied`, async () => {
  const root = project('rollup', page);
  tool(root, 'rollup/dist/bin/rollup', ['main.js', '--format', 'es', '--dir', 'out']);
  copyModel(root, 'out');
  check(await served(join(root, 'out')));
});
