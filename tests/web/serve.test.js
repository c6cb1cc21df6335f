// `keras-compile serve` and a browser's cache.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './support/browser.js';
import { compile, compiler } from './support/bundles.js';
import { temporary } from './support/fixture.js';

const folder = temporary('served');
const browser = await launch();
compile(fileURLToPath(new URL('../cli/wide.h5', import.meta.url)), { folder: join(folder, 'dist') });
const server = spawn(compiler, ['serve', folder, '--port', '0']);
after(async () => {
  server.kill();
  await browser.close();
});

test('a second visit fetches no weights again', async () => {
  const [url] = await once(createInterface(server.stdout), 'line');
  const context = await browser.newContext();
  /** Bytes that come over the network when the page loads the model. */
  const visit = async () => {
    const page = await context.newPage();
    await page.goto(url);
    const bytes = await page.evaluate(async () => {
      performance.setResourceTimingBufferSize(1000);
      const { load } = await import('/dist/index.js');
      const model = await load(undefined, { threads: 1 });
      const [output] = Object.values(await model.predict(new Float32Array(2048).fill(1)));
      model.dispose();
      if (output[0] !== 1024.5) throw new Error(`${output[0]}`);
      return performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0);
    });
    await page.close();
    return bytes;
  };
  const first = await visit();
  assert.ok(first > 2048 * 2048 * 4, `${first} bytes at first`);
  const second = await visit();
  assert.ok(second < 20_000, `${second} bytes the second time`);
  // The same names with other contents.
  writeFileSync(join(folder, 'index.html'), '<p>new');
  const page = await context.newPage();
  await page.goto(url);
  assert.equal(await page.textContent('p'), 'new');
});
