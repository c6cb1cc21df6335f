// Pages of a Chromium with a GPU of software.

import { after, afterEach } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.js';
import { serve } from './server.js';

/**
 * @param {Record<string, string>} bundles Folders by name.
 */
export async function gpuPages(bundles) {
  const folders = Object.fromEntries(Object.entries(bundles).map(([name, folder]) => [`/${name}/`, folder]));
  const server = await serve({ ...folders, '/': fileURLToPath(new URL('../pages/', import.meta.url)) });
  after(() => server.close());
  const browser = await launch([], { gpu: true });
  after(() => browser.close());
  afterEach(() => {
    server.heal();
    server.log.length = 0;
  });

  /** A page in which `load` is that of a bundle. */
  async function open(bundle) {
    const page = await browser.newPage();
    await page.goto(`${server.url}/empty.html`);
    await page.evaluate(async (bundle) => {
      const { load } = await import(`/${bundle}/index.js`);
      window.load = load;
      window.x = Float32Array.of(1, 2, 3, 4);
      window.failed = (promise) => promise.then(() => 'it did not fail', ({ name, message }) => `${name}: ${message}`);
      window.device = async () => (await navigator.gpu.requestAdapter()).requestDevice();
    }, bundle);
    return page;
  }

  /** Pages that tests share, by bundle. */
  const pages = new Map();

  return {
    server,
    browser,
    open,
    /** Runs a function in a page that keeps no mark of it. */
    async run(act, argument, bundle = 'bundle') {
      if (!pages.has(bundle)) pages.set(bundle, open(bundle));
      return (await pages.get(bundle)).evaluate(act, argument);
    },
    /** Runs a function in a page of its own. */
    async alone(act, argument, bundle = 'bundle') {
      const page = await open(bundle);
      try {
        return await page.evaluate(act, argument);
      } finally {
        await page.close();
      }
    },
    /** The names of the files that were asked for. */
    requested: () => server.log.map(({ path }) => path.split('/').at(-1)),
    /** Holds answers back until told to let them through. @param {RegExp} pattern */
    hold(pattern) {
      let release;
      const released = new Promise((resolve) => (release = resolve));
      server.fault(pattern, async (file, response, { headers }) => {
        await released;
        response.writeHead(200, headers).end(file);
      });
      return release;
    },
  };
}

/** Bytes that a page uses, without garbage. */
export async function usedBytes(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize, backingStorageSize = 0 } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize + backingStorageSize;
}

/** Loads with a backend a bundle's model and tells what came of it. To be run in a page. */
export function outcome([options, prepare]) {
  if (prepare) eval(prepare);
  return load(undefined, options).then(
    async (model) => {
      const found = { backend: model.backend, fallbacks: model.fallbacks, y: Array.from((await model.predict(x)).y) };
      model.dispose();
      return found;
    },
    ({ name, message }) => ({ error: `${name}: ${message}` }),
  );
}

/** Values of every type, two each, and what a model that repeats them gives. */
export const types = [
  ['float32', 'f32'], ['float64', 'f32'], ['bool', 'i32'], ['int8', 'i32'], ['int16', 'i32'], ['int32', 'i32'], ['int64', 'i32'],
  ['uint8', 'i32'], ['uint16', 'i32'], ['uint32', 'i32'], ['uint64', 'i32'],
];

export const repeated = [
  ['float32', 'Float32Array', ['0.5', '-3']], ['float64', 'Float64Array', ['0.25', '7']], ['bool', 'Uint8Array', ['1', '0']],
  ['int8', 'Int8Array', ['-128', '127']], ['int16', 'Int16Array', ['-32768', '5']], ['int32', 'Int32Array', ['-2147483648', '7']],
  ['int64', 'BigInt64Array', ['-5', '2147483647']], ['uint8', 'Uint8Array', ['255', '0']], ['uint16', 'Uint16Array', ['65535', '1']],
  ['uint32', 'Uint32Array', ['2147483647', '3']], ['uint64', 'BigUint64Array', ['4', '0']],
];

/** To be run in a page. */
export async function repeat(backend) {
  const model = await load(undefined, { backend });
  const values = {
    float32: Float32Array.of(0.5, -3), float64: Float64Array.of(0.25, 7), bool: Uint8Array.of(9, 0), int8: Int8Array.of(-128, 127),
    int16: Int16Array.of(-32768, 5), int32: Int32Array.of(-2147483648, 7), int64: BigInt64Array.of(-5n, 2147483647n),
    uint8: Uint8Array.of(255, 0), uint16: Uint16Array.of(65535, 1), uint32: Uint32Array.of(2147483647, 3), uint64: BigUint64Array.of(4n, 0n),
  };
  const outputs = await model.predict(values);
  const wide = await failed(model.predict({ ...values, int64: BigInt64Array.of(1n << 40n, 0n) }));
  model.dispose();
  return { outputs: Object.entries(outputs).map(([name, array]) => [name, array.constructor.name, Array.from(array, String)]), wide };
}
