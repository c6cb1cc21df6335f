// The engines that tests run in, as Debian has them.

import { after, before, describe } from 'node:test';
import { launch } from './browser.js';
import { launchFirefox } from './firefox.js';
import { launchWebKit } from './webkit.js';

async function launchChromium() {
  // An address that is not the machine's own to a page, and yet leads here.
  const browser = await launch(['--host-resolver-rules=MAP plain.test 127.0.0.1']);
  return {
    version: () => browser.version(),
    newPage: (options) => browser.newPage(options),
    workers: () => browser.contexts().flatMap((context) => context.pages()).flatMap((page) => page.workers()).length,
    close: () => browser.close(),
  };
}

/**
 * A browser and what it cannot do, which tests expect as well.
 * @typedef {object} Engine
 * @property {string} name
 * @property {string} title In README.
 * @property {() => Promise<Browser>} launch
 * @property {'relaxed' | 'baseline'} module What it takes of a bundle.
 * @property {string} [single] Why a page has one thread, were it isolated.
 * @property {string} [singleInWorker] Why a worker has.
 *
 * @typedef {object} Browser
 * @property {() => string} version
 * @property {(options?: object) => Promise<any>} newPage A page of Playwright, or one with the methods of `remote.js`. The
 *   options are for Chromium.
 * @property {() => number} workers How many there are in all pages.
 * @property {() => Promise<void>} close
 */

const sharesNothing = 'this engine shares no memory between threads';

/** @type {Engine[]} */
export const engines = [
  { name: 'Chromium', title: 'Chromium', launch: launchChromium, module: 'relaxed' },
  {
    name: 'Firefox',
    title: 'Firefox ESR',
    launch: launchFirefox,
    module: 'relaxed',
    singleInWorker: 'Firefox may hang where a worker starts workers',
  },
  {
    name: 'WebKit',
    title: 'WebKitGTK',
    launch: launchWebKit,
    module: 'baseline',
    single: sharesNothing,
    singleInWorker: sharesNothing,
  },
  {
    // As in Safari, where isolated pages have shared memory.
    name: 'WebKit with shared memory and relaxed SIMD',
    title: 'WebKitGTK with shared memory and relaxed SIMD',
    launch: () => launchWebKit({ JSC_useSharedArrayBuffer: '1', JSC_useWasmRelaxedSIMD: '1' }),
    module: 'relaxed',
  },
];

/**
 * The same tests in every engine.
 * @param {(engine: Engine, browser: Omit<Browser, 'close'>) => void} tests The browser can be used in the tests.
 */
export function everyEngine(tests) {
  for (const engine of engines) {
    describe(`in ${engine.name}`, () => {
      /** @type {Browser} */
      let browser;
      before(async () => {
        browser = await engine.launch();
        console.log(`${engine.name} is version ${browser.version()}`);
      });
      after(() => browser?.close());
      tests(engine, {
        version: () => browser.version(),
        newPage: (options) => browser.newPage(options),
        workers: () => browser.workers(),
      });
    });
  }
}
