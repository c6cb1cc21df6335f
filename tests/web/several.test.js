// Weights that two backends read, with backends that are made believe.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerUntil } from '../../runtime-web/src/several.js';

/** Lets `early` and `late` load from a bundle of two shards; gives what was fetched. */
async function both(early, late) {
  const fetched = [];
  const fill = (who) => async (name, target) => {
    fetched.push(`${who} ${name}`);
    await null;
    target.fill(name === 'a' ? 1 : 2);
  };
  const bundle = { manifest: { weights: { shards: ['a', 'b'] } }, fill: fill('first'), again: () => ({ ...bundle, fill: fill('second') }) };
  const choose = async ([name], as) => {
    await (name === 'wasm' ? early : late)(as(bundle));
    return { running: { backend: name, engine: { dispose() {} } }, fallbacks: [] };
  };
  const { later } = await answerUntil({ choose, stop() {} }, 'wasm', ['webgpu']);
  const { fallbacks = [] } = (await later) ?? {};
  return [...fetched, ...fallbacks];
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Reads both shards, and prepares something in their place as soon as they are there. */
async function preparing(bundle) {
  const memory = new Uint8Array(8);
  for (const [i, name] of ['a', 'b'].entries()) {
    const place = memory.subarray(4 * i, 4 * i + 4);
    await bundle.fill(name, place);
    place.fill(9);
  }
  await pause();
}

/** Reads both shards as they are. */
const reading = (before = () => {}) => async (bundle) => {
  await before();
  for (const [name, value] of [['a', 1], ['b', 2]]) {
    const target = new Uint8Array(4);
    await bundle.fill(name, target);
    assert.deepEqual([...target], Array(4).fill(value));
  }
};

test('they are fetched once, be the other late or early', async () => {
  assert.deepEqual(await both(preparing, reading(() => null)), ['first a', 'first b']);
  assert.deepEqual(await both(preparing, reading(pause)), ['first a', 'first b']);
});

test('a second try fetches its own', async () => {
  const twice = async (bundle) => {
    await reading()(bundle);
    await reading()(bundle);
  };
  assert.deepEqual(await both(preparing, twice), ['first a', 'first b', 'second a', 'second b']);
});

test('nobody waits for what does not come', async () => {
  const fails = async (bundle) => {
    await bundle.fill('a', new Uint8Array(4));
    throw new Error('no memory');
  };
  assert.deepEqual(await both(fails, reading()), ['first a', 'second b']);
});
