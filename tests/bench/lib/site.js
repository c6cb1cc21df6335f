// The pages of the benchmark and what they are served from.

import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from '../../web/support/browser.js';
import { temporary } from '../../web/support/fixture.js';
import { faults, serve } from '../../web/support/server.js';
import { hideRelaxedSimd, seesRelaxedSimd } from './relaxed.js';

const folder = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A browser, with a GPU where the backend needs one. @param {{ backend: string, hardware: boolean }} options */
export function start({ backend, hardware }) {
  if (backend === 'wasm') return launch();
  return hardware ? launch(['--enable-unsafe-webgpu', '--enable-features=Vulkan'], { without: ['--disable-gpu'] }) : launch([], { gpu: true });
}

/** @param {string} models What make_models.py wrote. @param {boolean} baseline Whether engines see no relaxed SIMD. */
export async function openSite(models, baseline) {
  const bundles = temporary('bench');
  const roots = {
    '/models/': resolve(models),
    '/bundles/': bundles,
    '/node_modules/': folder('../node_modules/'),
    '/wasm/': folder('../../../compiler/src/backends/wasm/'),
    '/': folder('../page/'),
  };
  // With these two, pages get timers of 5 µs, and threads.
  const server = await serve(roots, { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' });
  server.fault(/\.mjs$/, faults.type('text/javascript'));

  return {
    bundles,
    close: () => server.close(),

    /** A page, each time in a profile and a process of its own. @param {string} [query] */
    async open(browser, query = '') {
      const context = await browser.newContext();
      if (baseline) await context.addInitScript(hideRelaxedSimd);
      const page = await context.newPage();
      page.on('pageerror', (error) => console.error('  page:', error.message));
      await page.goto(`${server.url}/index.html${query}`);
      await page.waitForFunction(() => 'bench' in window);
      if (!(await page.evaluate(() => crossOriginIsolated))) throw new Error('the page is not isolated: its timers are coarse');
      if (baseline && (await page.evaluate(seesRelaxedSimd))) throw new Error('the page still sees relaxed SIMD');
      return { page, close: () => context.close() };
    },

    /** Files that were asked for while `act` ran. @param {() => Promise<unknown>} act */
    async fetched(act) {
      const from = server.log.length;
      const result = await act();
      const paths = server.log.slice(from).map(({ path }) => path);
      const code = paths.filter((path) => /^\/(node_modules|bundles)\//.test(path) && !path.endsWith('.bin'));
      const fileOf = (path) => {
        const prefix = Object.keys(roots).find((prefix) => path.startsWith(prefix));
        return join(roots[prefix], path.slice(prefix.length));
      };
      return { result, code: [...new Set(code.map(fileOf))] };
    },
  };
}
