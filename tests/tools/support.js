// A project with a model for each tool, and what came out of it.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { launch } from '../web/support/browser.js';
import { compile, examples } from '../web/support/bundles.js';
import { isolated, serve } from '../web/support/server.js';

// Node 20 has relaxed SIMD behind a flag; newer ones ignore it.
setFlagsFromString('--experimental-wasm-relaxed-simd');

export const here = fileURLToPath(new URL('.', import.meta.url));
const modules = join(here, 'node_modules');

/** Of a tool, for the names of tests. */
export const version = (name) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version;

/** The policy that README gives. */
export const policy = { 'content-security-policy': "script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'" };

const model = join(examples, 'digits/digits.h5');
// Such a small model would stay on one thread.
const bundle = compile(model, { useful: 2 });
const { load } = await import(join(bundle, 'index.js'));
const expected = Array.from((await (await load(undefined, { threads: 1 })).predict(new Float32Array(64))).digit);

/** Predicts on as many threads, with the steps that `profile` needs. */
const predict = `
async function predict(threads, where) {
  const model = await load(where, { threads, profile: true });
  const { digit } = await model.predict(new Float32Array(64));
  const steps = (await model.profile(new Float32Array(64))).length;
  const found = { threads: model.threads, fallbacks: [...model.fallbacks], steps, digit: Array.from(digit) };
  model.dispose();
  return found;
}
`;
/** What is the same in every program. @param {string} [from] */
export const prelude = (from = './model/index.js') => `import { load } from '${from}';\n${predict}`;

/** A page that says what came out. */
export const page = {
  'index.html': '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>A model</title>\n' +
    '<link rel="icon" href="data:,">\n<script type="module" src="./main.js"></script>\n',
  'main.js': `${prelude()}
predict(2).then((found) => (window.results = found), (error) => (window.results = { error: String(error) }));
`,
};

/** A program that says what came out on one thread and on two. */
export const program = (from, where = 'undefined') => `${prelude(from)}
console.log(JSON.stringify([await predict(1, ${where}), await predict(2, ${where})]));
`;

/**
 * Makes a project below this folder, so that it finds the tools; it is gone when the process ends.
 * @param {string} name
 * @param {Record<string, string>} files
 * @param {string} [folder] Where the model goes.
 */
export function project(name, files, folder = 'model') {
  const root = join(here, 'projects', name);
  rmSync(root, { recursive: true, force: true });
  process.on('exit', () => rmSync(root, { recursive: true, force: true }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  cpSync(bundle, join(root, folder), { recursive: true });
  return root;
}

/** What is not from Node, without which tools behave as for people at a terminal, or ask the network. */
const quiet = { CI: '1', NO_COLOR: '1', NEXT_TELEMETRY_DISABLED: '1', PARCEL_WORKERS: '1', DENO_NO_UPDATE_CHECK: '1', NODE_ENV: '' };
const environment = (more) => {
  const all = { ...process.env, ...quiet, ...more };
  // What node:test tells its children is not for these.
  for (const name of Object.keys(all)) if (name.startsWith('NODE_TEST') || all[name] === '') delete all[name];
  return all;
};

/** Runs a command to its end and gives what it printed. @param {string} cwd */
export function run(cwd, command, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 240_000, env: environment(env) });
  if (error || status !== 0) assert.fail(`${[command, ...args].join(' ')} ended with ${error ?? status}\n${stdout}\n${stderr}`);
  return { stdout, stderr };
}

/** Runs a tool that Node runs, from the file that its package names. */
export const tool = (cwd, file, args, env) => run(cwd, process.execPath, [join(modules, file), ...args], env);

/** A binary that a package carries. @param {string[]} places */
export function binary(...places) {
  for (const place of places) {
    const file = join(modules, place);
    if (spawnSync(file, ['--version']).status === 0) return file;
  }
  return assert.fail(`none of ${places.join(', ')} runs; run npm ci in tests/tools`);
}

/** Starts a server that prints its address; `stop` ends it. */
export async function start(cwd, command, args, env = {}) {
  const child = spawn(command, args, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const url = await new Promise((resolve, reject) => {
    const hear = (data) => {
      said += data;
      const found = /https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d+)/.exec(said);
      if (found) resolve(`http://127.0.0.1:${found[1]}`);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}\n${said}`)));
    setTimeout(() => reject(new Error(`${command} ${args.join(' ')} names no address\n${said}`)), 60_000).unref();
  });
  return { url, said: () => said, stop: () => child.kill('SIGKILL') };
}

/** Products may be fused in one of the two, and there is no GPU. */
export function check(found, threads = 2) {
  assert.equal(found.error, undefined);
  const others = found.fallbacks.filter((reason) => !/^(Products are rounded|wasm was taken instead of web)/.test(reason));
  assert.deepEqual([found.threads, others], [threads, []]);
  assert.ok(found.steps > 5);
  assert.equal(found.digit.length, expected.length);
  found.digit.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-5, `${value} instead of ${expected[i]}`));
}

/** What \`program\` printed. */
export function checkPrinted(stdout) {
  const found = JSON.parse(stdout.trim().split('\n').at(-1));
  check(found[0], 1);
  check(found[1], 2);
}

let browser;
/** Ends the browser, if there is one. */
export const close = () => browser?.close();

/** What Chromium says itself where a page asks for a GPU and there is none. */
const NO_GPU = 'No available adapters.';

/** What the page at an address says, once it does. */
export async function results(url) {
  browser ??= await launch();
  const page = await browser.newPage();
  const complaints = [];
  page.on('console', (message) => ['warning', 'error'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  try {
    await page.goto(url);
    await page.waitForFunction(() => window.results, undefined, { timeout: 60_000 }).catch((error) => {
      throw new Error(`${url} says nothing: ${error.message}\n${complaints.join('\n')}`);
    });
    const found = await page.evaluate(() => window.results);
    assert.deepEqual(complaints.filter((text) => text !== NO_GPU), [], JSON.stringify(found));
    return found;
  } finally {
    await page.close();
  }
}

/** What a built page says, served at `base` under README's headers. */
export async function served(folder, base = '/') {
  const server = await serve({ [base]: folder }, { ...isolated, ...policy });
  try {
    return await results(`${server.url}${base}index.html`);
  } finally {
    await server.close();
  }
}
