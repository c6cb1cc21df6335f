// First and second visits of pages with one engine each: from the navigation to the first output.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { chromiumArguments, executablePath } from '../../web/support/browser.js';
import { engines } from './engines.js';
import { emulate } from './networks.js';

/** How long a page is left open after its first visit: browsers keep compiled code only once it was optimised. */
const STAY_MS = 3000;

const adapter = (name) => readFileSync(fileURLToPath(new URL(`../page/engines/${name}.js`, import.meta.url)), 'utf8');

/** Runs in the page: opens the engine, predicts once on numbers made there, and notes when the output was there. */
const firstOutput = `
const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
const engine = await open(place);
const blank = place.inputs.map(({ shape, dtype }) => new arrays[dtype](shape.reduce((product, size) => product * size, 1)));
await engine.predict(blank);
const output = performance.now();
window.visit = { engine, output };
`;

/**
 * The page of an engine: its adapter stands in it, so that nothing but the engine's own files is to be fetched.
 * @param {string} engine
 * @param {object} place
 */
export function pageOf(engine, place) {
  const source = adapter(engine).replace('export async function open', 'async function open')
    // The build that has its glue inside.
    .replaceAll('import(`onnxruntime-web/${backend}`)', 'import(`/node_modules/onnxruntime-web/dist/ort.${backend}.bundle.min.mjs`)');
  const ahead = engines[engine].modules(place.backend).map((url) => `<link rel="modulepreload" href="${url}">`).join('\n');
  return `<!doctype html>
<meta charset="utf-8">
<title>${engines[engine].title}</title>
<link rel="icon" href="data:,">
<script type="importmap">{ "imports": {
  "@litertjs/core": "/node_modules/@litertjs/core/dist/index.js",
  "@litertjs/wasm-utils": "/node_modules/@litertjs/wasm-utils/dist/index.js"
} }</script>
${ahead}
${place.head ?? ''}
<body>
<script type="module">
${source}
const place = ${JSON.stringify(place)};
${firstOutput}</script>
`;
}

/** Milliseconds of a visit, and its page. */
async function visit(context, url, network) {
  const page = await context.newPage();
  const failed = new Promise((_, reject) => page.on('pageerror', reject));
  failed.catch(() => {});
  await emulate(page, network);
  await page.goto(url, { waitUntil: 'commit' });
  await Promise.race([failed, page.waitForFunction(() => 'visit' in window, undefined, { timeout: 300_000, polling: 50 })]);
  return { page, ms: await page.evaluate(() => window.visit.output) };
}

/** The largest error of an output by the largest number expected, on the inputs of the model. */
async function errorOf(page, inputs, outputs) {
  const results = await page.evaluate(async (inputs) => {
    const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
    const results = await window.visit.engine.predict(inputs.map(({ dtype, values }) => new arrays[dtype](values)));
    return results.map((values) => [...values].map(Number));
  }, inputs);
  if (results.length !== outputs.length) return Infinity;
  return Math.max(...outputs.map(({ values }, i) => {
    if (results[i].length !== values.length) return Infinity;
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return values.reduce((worst, value, j) => Math.max(worst, Math.abs(results[i][j] - value)), 0) / largest;
  }));
}

/**
 * A first visit in a new profile, and then a second one.
 * @param {{ url: string, log: { path: string, bytes: number }[] }} server
 * @param {{ path: string, inputs: object[], outputs: object[] }} column
 * @param {import('./networks.js').Network} network
 * @param {{ gpu: boolean, second: boolean, check: boolean }} options
 */
export async function visitTwice(server, { path, inputs, outputs }, network, { gpu, second, check }) {
  const profile = mkdtempSync(join(tmpdir(), 'keras-compile-visits-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: chromiumArguments({ gpu }) });
  try {
    const from = server.log.length;
    const first = await visit(context, server.url + path, network);
    const bytes = server.log.slice(from).reduce((sum, each) => sum + each.bytes, 0);
    const error = check ? await errorOf(first.page, inputs, outputs) : undefined;
    if (!second) return { firstMs: first.ms, bytes, error };
    const until = performance.now() + STAY_MS;
    while (performance.now() < until) await errorOf(first.page, inputs, outputs);
    await first.page.close();
    const again = await visit(context, server.url + path, network);
    return { firstMs: first.ms, secondMs: again.ms, bytes, error };
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** The raw numbers of a model's case. @param {string} folder @param {{ file: string, dtype: string }[]} slots */
export const numbersOf = (folder, slots) => slots.map(({ file, dtype }) => {
  const { buffer, byteOffset, byteLength } = readFileSync(join(folder, file));
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  const values = dtype === 'float32' ? new Float32Array(bytes) : dtype === 'int32' ? new Int32Array(bytes) : new Uint8Array(bytes);
  return { dtype, values: [...values] };
});

