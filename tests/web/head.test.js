// The tags that `inspect --html-head` prints: with them a browser fetches each file once, and the weights before the script asks for them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { launch } from './support/browser.js';
import { compile, compiler, examples, manifestOf } from './support/bundles.js';
import { temporary } from './support/fixture.js';
import { serve } from './support/server.js';

const root = temporary('head');
const folder = compile(join(examples, 'digits/digits.h5'), { folder: join(root, 'model') });
const { status, stdout, stderr } = spawnSync(compiler, ['inspect', folder, '--html-head', '/model'], { encoding: 'utf8' });
const { weights: { shards } } = manifestOf(folder);
const server = await serve({ '/': root }, { 'cache-control': 'max-age=60' });
after(() => server.close());

test('are those of the script and the weights', () => {
  assert.deepEqual([status, stderr], [0, '']);
  const lines = ['<link rel="modulepreload" href="/model/index.js">', ...shards.map((name) => `<link rel="preload" as="fetch" crossorigin href="/model/${name}">`)];
  assert.equal(stdout, lines.map((line) => `${line}\n`).join(''));
});

test('have each file fetched once, before it is asked for', async () => {
  const page = `<!doctype html><title>head</title><link rel="icon" href="data:,">${stdout}<script type="module">
    await new Promise((resolve) => (globalThis.go = resolve));
    const { load } = await import('/model/index.js');
    const model = await load();
    globalThis.digit = (await model.predict(new Float32Array(64))).digit.length;
  </script>`;
  writeFileSync(join(root, 'index.html'), page);
  const browser = await launch();
  try {
    const tab = await browser.newPage();
    const complaints = [];
    tab.on('console', (message) => complaints.push(message.text()));
    await tab.goto(`${server.url}/index.html`);
    const asked = () => server.log.map(({ path }) => path.replace('/model/', '')).filter((name) => name !== '/index.html');
    for (let i = 0; i < 100 && asked().length < 1 + shards.length; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(asked().sort(), ['index.js', ...shards].sort());
    await tab.evaluate(() => globalThis.go());
    await tab.waitForFunction(() => globalThis.digit === 10);
    assert.equal(new Set(asked()).size, asked().length, asked().join(', '));
    assert.deepEqual(complaints.filter((text) => /preload/.test(text)), []);
  } finally {
    await browser.close();
  }
});
