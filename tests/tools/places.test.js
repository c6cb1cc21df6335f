// A model where scripts run that are no pages: a service worker and a page of an extension.

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from '../node_modules/playwright-core/index.mjs';
import { after, test } from 'node:test';
import { temporary } from '../web/support/fixture.js';
import { executablePath, headless } from '../web/support/browser.js';
import { check, close, page, policy, prelude, project, results } from './support.js';
import { isolated, serve } from '../web/support/server.js';

after(close);

test('a service worker', async () => {
  const root = project('service-worker', {
    'index.html': page['index.html'],
    'main.js': `const { active, installing } = await navigator.serviceWorker.register('./service.js', { type: 'module' });
navigator.serviceWorker.onmessage = ({ data }) => (window.results = data);
(active ?? installing).postMessage('predict');
`,
    'service.js': `${prelude()}
self.onmessage = (event) =>
  event.waitUntil(predict(1).then((found) => event.source.postMessage(found), (error) => event.source.postMessage({ error: String(error) })));
`,
  });
  const server = await serve({ '/': root }, { ...isolated, ...policy });
  try {
    check(await results(`${server.url}/index.html`), 1);
  } finally {
    await server.close();
  }
});

test('a page of an extension, Manifest V3', async () => {
  const root = project('extension', {
    ...page,
    'manifest.json': JSON.stringify({
      manifest_version: 3,
      name: 'A model',
      version: '1.0',
      // Isolated, for threads; the policy is the one that extensions may have.
      content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
      cross_origin_opener_policy: { value: 'same-origin' },
      cross_origin_embedder_policy: { value: 'require-corp' },
      background: { service_worker: 'background.js', type: 'module' },
    }),
    'background.js': `${prelude()}
globalThis.results = predict(1);
`,
  });
  const extension = join(temporary('extension'), 'unpacked');
  cpSync(root, extension, { recursive: true });
  const context = await chromium.launchPersistentContext(temporary('profile'), {
    executablePath,
    args: [...headless, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
    ignoreDefaultArgs: ['--disable-extensions'],
  });
  try {
    const background = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'));
    check(await background.evaluate(() => globalThis.results), 1);
    const tab = await context.newPage();
    await tab.goto(new URL('index.html', background.url()).href);
    await tab.waitForFunction(() => window.results);
    const found = await tab.evaluate(() => window.results);
    assert.ok(await tab.evaluate(() => crossOriginIsolated));
    check(found);
  } finally {
    await context.close();
  }
});
