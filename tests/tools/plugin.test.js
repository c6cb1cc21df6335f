// Models that a page imports as they are, with the plugin of the package of npm.

import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { after, describe, test } from 'node:test';
import * as vite from 'vite';
import kerasCompile from '../../compiler/npm/vite.js';
import { isolated } from '../web/support/server.js';
import { examples } from '../web/support/bundles.js';
import { check, close, here, page, project, results, served, version } from './support.js';

after(close);
process.env.KERAS_COMPILE_BINARY ??= resolve(here, '../../target/release/keras-compile');

describe(`the plugin in Vite ${version('vite')}`, () => {
  const query = '?shape=1,8,8,1&backends=wasm,webgl';
  const main = page['main.js'].replace('./model/index.js', `./digits.h5${query}`).replace('predict(2)', 'predict(1)');
  const root = project('vite-plugin', { ...page, 'main.js': main });
  const model = join(root, 'digits.h5');
  cpSync(join(examples, 'digits/digits.h5'), model);
  const config = { root, configFile: false, logLevel: 'silent', plugins: [kerasCompile({ threads: true })] };
  const cache = join(root, 'node_modules/.cache/keras-compile');

  test('builds', async () => {
    const outDir = join(root, 'out');
    await vite.build({ ...config, build: { outDir, target: 'es2022' } });
    check(await served(outDir), 1);
    assert.equal(readdirSync(cache).length, 1, readdirSync(cache).join());
  });

  test('serves for development, from what is compiled already', async () => {
    const server = await vite.createServer({ ...config, server: { headers: isolated, port: 0, host: '127.0.0.1' } });
    try {
      await server.listen();
      check(await results(`http://127.0.0.1:${server.httpServer.address().port}/`), 1);
      assert.equal(readdirSync(cache).length, 1, readdirSync(cache).join());
      // Vite transforms the module anew after a change of the file that it watches.
      const before = await server.transformRequest(`/digits.h5${query}`);
      writeFileSync(model, 'damaged');
      const modules = server.moduleGraph.getModulesByFile(model);
      assert.ok(modules.size > 0);
      modules.forEach((module) => server.moduleGraph.invalidateModule(module));
      assert.match(before.code, /keras-compile\/digits-h5-/);
      await assert.rejects(server.transformRequest(`/digits.h5${query}`), /digits\.h5: .*HDF5/);
    } finally {
      await server.close();
      cpSync(join(examples, 'digits/digits.h5'), model);
    }
  });

  test('tells what is wrong with a query', async () => {
    writeFileSync(join(root, 'main.js'), main.replace('backends=', 'backend='));
    const build = vite.build({ ...config, build: { outDir: join(root, 'wrong') } });
    await assert.rejects(build, /digits\.h5: there is no parameter "backend", only shape, backends/);
    assert.ok(!existsSync(join(root, 'wrong')));
  });
});
