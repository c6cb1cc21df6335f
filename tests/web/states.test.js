// What stateful layers keep from one prediction to the next. In Node; the matrix compares the numbers with Keras' on every backend.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { root } from './support/bundles.js';
import { temporary } from './support/fixture.js';

/** A golden of an LSTM, compiled. */
function bundle() {
  const folder = temporary('states');
  const goldens = readFileSync(join(root, 'tests/goldens/layers/k3-recurrent.jsonl'), 'utf8').split('\n');
  const golden = goldens.find((line) => line.startsWith('{"id":"kept-states-of-lstm"'));
  writeFileSync(join(folder, 'golden.jsonl'), golden);
  const { status, stderr } = spawnSync(join(root, 'target/release/golden-bundle'), [join(folder, 'golden.jsonl'), folder], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { folder: join(folder, 'dist'), ...JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) };
}

describe('a model that keeps states', () => {
  let model;
  let folder;
  let x;
  let first;
  before(async () => {
    let inputs;
    ({ folder, inputs } = bundle());
    x = Float32Array.from(inputs.x);
    const { load } = await import(join(folder, 'index.js'));
    model = await load(undefined, { threads: 1, profile: true });
    first = await model.predict(x);
  });
  const predictAfresh = () => {
    model.resetStates();
    return model.predict(x);
  };

  test('shows them nowhere', () => {
    assert.deepEqual(model.inputs.map(({ name }) => name), ['x']);
    assert.deepEqual(model.outputs.map(({ name }) => name), Object.keys(first));
    const types = readFileSync(join(folder, 'index.d.ts'), 'utf8');
    assert.doesNotMatch(types, /state 0/);
  });
  test('begins with what the call before gave, and afresh after resetStates', async () => {
    assert.deepEqual(await predictAfresh(), first);
    const second = await model.predict(x);
    assert.notDeepEqual(second, first);
    assert.notDeepEqual(await model.predict(x), second);
    assert.deepEqual(await predictAfresh(), first);
  });
  test('keeps them when a call is given up', async () => {
    await predictAfresh();
    const second = await model.predict(x);
    await predictAfresh();
    const controller = new AbortController();
    const call = model.predict(x, { signal: controller.signal });
    controller.abort();
    await assert.rejects(call, { name: 'AbortError' });
    assert.deepEqual(await model.predict(x), second);
  });
  test('answers calls that overlap in their order, each with what its input was', async () => {
    const alone = [await predictAfresh()];
    for (let i = 1; i < 5; i++) alone.push(await model.predict(x.map((value) => value * i)));
    model.resetStates();
    const input = x.slice();
    const together = Array.from({ length: 5 }, (_, i) => {
      input.set(x.map((value) => value * Math.max(1, i)));
      return model.predict(input);
    });
    model.resetStates();
    const after = model.predict(x);
    assert.deepEqual(await Promise.all(together), alone);
    assert.deepEqual(await after, first);
  });
  test('fills the arrays of the caller', async () => {
    const out = Object.fromEntries(Object.entries(first).map(([name, values]) => [name, new Float32Array(values.length)]));
    model.resetStates();
    const given = await model.predict(x, { out });
    assert.deepEqual(given, first);
    Object.keys(out).forEach((name) => assert.equal(given[name], out[name]));
  });
  test('keeps them through what rejects or only looks', async () => {
    await predictAfresh();
    const second = await model.predict(x);
    await predictAfresh();
    await assert.rejects(model.predict(x.slice(1)), { name: 'RangeError' });
    await assert.rejects(model.predict(x, { output: 'gpu' }), { name: 'TypeError', message: /keeps states/ });
    await model.profile(x);
    assert.deepEqual(await model.predict(x), second);
  });
});
