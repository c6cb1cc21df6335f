// Bundles as the compiler makes them.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporary } from './fixture.js';

export const root = fileURLToPath(new URL('../../../', import.meta.url));
export const examples = join(root, 'examples');
export const compiler = join(root, 'target/release/keras-compile');

/**
 * Compiles a model into a new folder.
 * @param {string} model
 * @param {{ folder?: string, args?: string[], useful?: number }} [options] `useful`: how many threads the bundle takes,
 *   although one may be quicker.
 */
export function compile(model, { folder = join(temporary('compiled'), 'dist'), args = [], useful } = {}) {
  for (const [file, remedy] of [[compiler, 'run cargo build --release'], [model, 'the repository should hold it']]) {
    if (!existsSync(file)) throw new Error(`${file} does not exist; ${remedy}`);
  }
  const { status, stdout, stderr, error } = spawnSync(compiler, [model, '--out', folder, '--quiet', ...args], { encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`keras-compile ${model} failed: ${error ?? stdout + stderr}`);
  if (useful) allowThreads(folder, useful);
  return folder;
}

/** Lets a bundle take so many threads, although fewer may be quicker. @param {string} folder @param {number} useful */
export function allowThreads(folder, useful) {
  for (const name of ['index.js', 'manifest.json']) {
    const file = join(folder, name);
    const text = readFileSync(file, 'utf8');
    if (!/"useful":\d+/.test(text)) throw new Error(`${file} does not say how many threads are useful`);
    writeFileSync(file, text.replace(/"useful":\d+/, `"useful":${useful}`));
  }
}

export const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));

/** Numbers that look like nothing in particular, the same every time. */
export function inputsFor({ inputs }) {
  let state = 1;
  const next = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const fill = ({ dtype, shape }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    if (dtype === 'string') return Array.from({ length: count }, () => 'a few words');
    return Array.from({ length: count }, () => (dtype.startsWith('float') ? next() : Math.floor(next() * 2)));
  };
  return Object.fromEntries(inputs.map((info) => [info.name, fill(info)]));
}
