// What a loaded model takes, gives and keeps. In Node; page.test.js does it in Chromium.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import vm from 'node:vm';
import { describe, test } from 'node:test';
import { compile, root } from './support/bundles.js';
import { affine, counter, echo } from './support/fixture.js';

const open = async (folder, options) => (await import(join(folder, 'index.js'))).load(folder, options);
setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

const model = await open(affine());
const x = Float32Array.of(1, 2, 3, 4);
const y = [12, 24, 36, 48];

describe('a model', () => {
  test('tells its inputs, outputs and backend', () => {
    assert.deepEqual(model.inputs, [{ name: 'x', shape: [1, 4], dtype: 'float32' }]);
    assert.deepEqual(model.outputs, [{ name: 'y', shape: [1, 4], dtype: 'float32' }]);
    assert.equal(model.backend, 'wasm');
    assert.match(model.module, /^(relaxed|baseline)$/);
  });
  test('takes arrays by name, or the array of its only input', async () => {
    assert.deepEqual(await model.predict({ x }), { y: Float32Array.from(y) });
    assert.deepEqual(await model.predict(x), { y: Float32Array.from(y) });
  });
  test('takes arrays of another realm and on shared memory', async () => {
    const foreign = vm.runInNewContext('({ x: Float32Array.of(1, 2, 3, 4) })');
    assert.deepEqual(Array.from((await model.predict(foreign)).y), y);
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set(x);
    assert.deepEqual(Array.from((await model.predict(shared)).y), y);
  });
  test('gives fresh copies', async () => {
    const first = await model.predict(x);
    await model.predict(new Float32Array(4));
    assert.deepEqual(Array.from(first.y), y);
    assert.equal(first.y.buffer.byteLength, 16);
  });
  test('answers calls that overlap, each with its own, and reads the inputs at once', async () => {
    const input = new Float32Array(4);
    const calls = Array.from({ length: 20 }, (_, i) => model.predict(input.fill(i)));
    const firsts = (await Promise.all(calls)).map((outputs) => outputs.y[0]);
    assert.deepEqual(firsts, Array.from({ length: 20 }, (_, i) => 2 * i + 10));
  });
  test("fills the caller's arrays", async () => {
    const out = { y: new Float32Array(4) };
    assert.equal((await model.predict(x, { out })).y, out.y);
    assert.deepEqual(Array.from(out.y), y);
    const { y: fresh } = await model.predict(x, { out: undefined });
    assert.notEqual(fresh, out.y);
  });
  for (const [out, name, message] of [
    [{}, 'TypeError', 'predict: output "y" is missing; the model gives { y: Float32Array(4) }'],
    [{ y: new Float32Array(4), z: x }, 'TypeError', 'predict: there is no output "z"; the model gives { y: Float32Array(4) }'],
    [{ y: new Float64Array(4) }, 'TypeError', 'predict: output "y" (float32 [1, 4]) takes a Float32Array, got Float64Array'],
    [{ y: new Float32Array(3) }, 'RangeError', 'predict: output "y" (float32 [1, 4]) takes 4 elements, got 3'],
    [new Float32Array(4), 'TypeError', 'predict: got Float32Array; the model gives { y: Float32Array(4) }'],
  ]) {
    test(message, () => assert.rejects(model.predict(x, { out }), { name, message }));
  }
  test('gives a call up whose signal is aborted, and no other', async () => {
    const reason = new Error('enough');
    await assert.rejects(model.predict(x, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [model.predict(x, { signal }), model.predict(x), model.predict(x, { signal })];
    controller.abort(reason);
    const found = await Promise.allSettled(calls);
    assert.deepEqual(found.map(({ status }) => status), ['rejected', 'fulfilled', 'rejected']);
    assert.deepEqual([found[0].reason, found[2].reason], [reason, reason]);
    assert.deepEqual(Array.from(found[1].value.y), y);
    let listeners = 0;
    const kept = new AbortController().signal;
    for (const [name, by] of [['addEventListener', 1], ['removeEventListener', -1]]) {
      const own = kept[name];
      kept[name] = (...given) => {
        listeners += by;
        return own.apply(kept, given);
      };
    }
    assert.deepEqual(Array.from((await model.predict(x, { signal: kept })).y), y);
    await assert.rejects(model.predict('x', { signal: kept }), TypeError);
    await null;
    assert.equal(listeners, 0);
  });
  test('profiles its steps, if it was loaded for that', async () => {
    const progress = [];
    const options = { profile: true, onProgress: ({ loaded, total }) => progress.push([loaded, total]) };
    const profiled = await open(affine(), options);
    const times = await profiled.profile(x);
    assert.deepEqual(times.map(({ step, layers }) => [step, ...layers]), [[0, 'layer-0'], [1, 'layer-1']]);
    assert.equal(times[0].variant, model.module === 'relaxed' ? 'map 4 fused' : 'map 4');
    assert.ok(times.every(({ ms }) => ms >= 0 && ms < 1000));
    assert.ok(times[0].gbs > 0 && !('gflops' in times[0]), 'the first moves only');
    assert.ok(times[1].gflops > 0 && !('gbs' in times[1]), 'the second computes');
    const [loaded, total] = progress.at(-1);
    assert.equal(loaded, total);
    profiled.dispose();
    await assert.rejects(profiled.profile(x), { name: 'InvalidStateError', message: /disposed/ });
    await assert.rejects(model.profile(x), { name: 'InvalidStateError', message: /load the model with { profile: true }/ });
  });
});

describe('inputs that do not fit', async () => {
  const two = await open(echo([['float32', 'f32'], ['int64', 'i32']]));
  const takes = 'the model takes { x: Float32Array(4) }';
  const cases = [
    [model, undefined, 'TypeError', `predict: got Undefined; ${takes}`],
    [model, null, 'TypeError', `predict: got Null; ${takes}`],
    [model, [1, 2, 3, 4], 'TypeError', `predict: got Array; ${takes}`],
    [model, 'x', 'TypeError', `predict: got String; ${takes}`],
    [model, {}, 'TypeError', `predict: input "x" is missing; ${takes}`],
    [model, { X: x }, 'TypeError', `predict: there is no input "X"; ${takes}`],
    [model, { x, z: x }, 'TypeError', `predict: there is no input "z"; ${takes}`],
    [model, { x: [1, 2, 3, 4] }, 'TypeError', 'predict: input "x" (float32 [1, 4]) takes a Float32Array, got Array'],
    [model, new Float64Array(4), 'TypeError', 'predict: input "x" (float32 [1, 4]) takes a Float32Array, got Float64Array'],
    [model, { x: new Float32Array(5) }, 'RangeError', 'predict: input "x" (float32 [1, 4]) takes 4 elements, got 5'],
    [two, new Float32Array(2), 'TypeError', 'predict: got Float32Array; the model takes { float32: Float32Array(2), int64: BigInt64Array(2) }'],
    [two, { float32: new Float32Array(2), int64: BigInt64Array.of(1n, 2n ** 40n) }, 'RangeError',
      'predict: input "int64" (int64 [2]) has 1099511627776 at 1, which does not fit 32 bits'],
  ];
  for (const [model, input, name, message] of cases) {
    test(message, () => assert.rejects(model.predict(input), { name, message }));
  }
  test('leave the model usable', async () => assert.deepEqual(Array.from((await model.predict(x)).y), y));
});

describe('element types', async () => {
  const values = {
    float32: ['f32', Float32Array.of(1.5, -2)],
    float64: ['f32', Float64Array.of(1.5, -2)],
    int8: ['i32', Int8Array.of(-128, 127)],
    int16: ['i32', Int16Array.of(-32768, 5)],
    int32: ['i32', Int32Array.of(-(2 ** 31), 7)],
    int64: ['i32', BigInt64Array.of(-5n, 9n)],
    uint8: ['f32', Uint8Array.of(0, 255)],
    uint16: ['i32', Uint16Array.of(0, 65535)],
    uint32: ['i32', Uint32Array.of(3, 2 ** 31 - 1)],
    uint64: ['f32', BigUint64Array.of(3n, 1024n)],
    bool: ['i32', Uint8Array.of(0, 1)],
  };
  const model = await open(echo(Object.entries(values).map(([dtype, [storage]]) => [dtype, storage])));
  const inputs = Object.fromEntries(Object.entries(values).map(([dtype, [, array]]) => [dtype, array]));
  test('go in and come out', async () => assert.deepEqual(await model.predict(inputs), inputs));
  test("come out in the caller's arrays", async () => {
    const out = Object.fromEntries(Object.entries(inputs).map(([dtype, array]) => [dtype, array.slice().fill(array[1])]));
    const outputs = await model.predict(inputs, { out });
    assert.deepEqual(out, inputs);
    for (const dtype of Object.keys(out)) assert.equal(outputs[dtype], out[dtype]);
  });
  test('bytes go where all of them fit', async () => {
    const { int8, ...others } = inputs;
    for (const bytes of [Uint8Array.of(3, 255), Uint8ClampedArray.of(3, 255)]) {
      const given = Object.fromEntries(Object.keys(others).map((dtype) => [dtype, bytes]));
      const { bool, ...outputs } = await model.predict({ ...given, int8 });
      assert.deepEqual(bool, Uint8Array.of(1, 1));
      for (const dtype of Object.keys(outputs).filter((dtype) => dtype !== 'int8')) {
        assert.deepEqual([dtype, outputs[dtype].constructor], [dtype, inputs[dtype].constructor]);
        assert.deepEqual([dtype, ...Array.from(outputs[dtype], Number)], [dtype, 3, 255]);
      }
      await assert.rejects(model.predict({ ...given, int8: bytes }), {
        name: 'TypeError',
        message: `predict: input "int8" (int8 [2]) takes a Int8Array, got ${bytes.constructor.name}`,
      });
      await assert.rejects(model.predict(inputs, { out: { ...inputs, float32: bytes } }), { name: 'TypeError' });
    }
  });
  test('integers of 32 bits go into all others, and plain numbers into those of 64', async () => {
    const whole = Object.keys(values).filter((dtype) => dtype.includes('int'));
    const given = Object.fromEntries(whole.map((dtype) => [dtype, Int32Array.of(3, 100)]));
    const plain = { int64: [3, 100n], uint64: [3n, 100] };
    for (const numbers of [given, { ...given, ...plain }]) {
      const outputs = await model.predict({ ...inputs, ...numbers });
      for (const dtype of whole) {
        assert.deepEqual([dtype, outputs[dtype].constructor], [dtype, inputs[dtype].constructor]);
        assert.deepEqual([dtype, ...Array.from(outputs[dtype], Number)], [dtype, 3, 100]);
      }
    }
    await assert.rejects(model.predict({ ...inputs, int32: [3, 100] }), { name: 'TypeError' });
    await assert.rejects(model.predict({ ...inputs, float32: Int32Array.of(3, 100) }), { name: 'TypeError' });
  });
  test('what does not fit is refused', async () => {
    const of = (dtype, least, largest) => `which is not of that type: it has integers from ${least} to ${largest}`;
    for (const [dtype, array, value, why] of [
      ['int8', Int32Array.of(0, 128), 128, of('int8', -128, 127)],
      ['uint8', Int32Array.of(0, -1), -1, of('uint8', 0, 255)],
      ['int16', Int32Array.of(0, -32769), -32769, of('int16', -32768, 32767)],
      ['uint16', Int32Array.of(0, 65536), 65536, of('uint16', 0, 65535)],
      ['uint64', [0, -1], -1, of('uint64', 0, 2 ** 64 - 1)],
      ['uint32', Uint32Array.of(0, 2 ** 31), 2 ** 31, 'which does not fit 32 bits'],
      ['int64', [0, 1.5], 1.5, 'which does not fit 32 bits'],
      ['int64', [0, NaN], NaN, of('int64', -(2 ** 63), 2 ** 63 - 1)],
      ['uint64', BigUint64Array.of(0n, 16777217n), 16777217n, 'which does not fit a float of 32 bits exactly'],
    ]) {
      await assert.rejects(model.predict({ ...inputs, [dtype]: array }), {
        name: 'RangeError',
        message: `predict: input "${dtype}" (${dtype} [2]) has ${value} at 1, ${why}`,
      });
    }
  });
  test('a bool is zero or one', async () => {
    const { bool } = await model.predict({ ...inputs, bool: Uint8Array.of(7, 0) });
    assert.deepEqual(bool, Uint8Array.of(1, 0));
  });
});

describe('integers of a compiled model', async () => {
  const folder = compile(join(root, 'tests/goldens/containers/k3-integers.keras'));
  const model = await (await import(join(folder, 'index.js'))).load(folder);
  const inputs = {
    int8: Int8Array.of(-3, 127), uint16: Uint16Array.of(0, 65535), int64: BigInt64Array.of(-5n, 16777216n), bool: Uint8Array.of(0, 1), word: BigInt64Array.of(0n, 6n),
  };
  const with64 = (int64) => model.predict({ ...inputs, int64 });
  test('keep their types', () => {
    assert.deepEqual(model.inputs.map(({ name, dtype }) => [name, dtype]), [
      ['int8', 'int8'], ['uint16', 'uint16'], ['int64', 'int64'], ['bool', 'bool'], ['word', 'int64'],
    ]);
  });
  test('come in the arrays of their types, or in others', async () => {
    const { all } = await model.predict(inputs);
    const plain = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Int32Array.from(values, Number)]));
    assert.deepEqual((await model.predict({ ...plain, bool: inputs.bool })).all, all);
    assert.deepEqual((await model.predict({ ...plain, bool: inputs.bool, int64: [-5, 16777216n], word: [0, 6] })).all, all);
  });
  test('beyond those that floats have are refused', async () => {
    const refused = (value) => ({
      name: 'RangeError',
      message: `predict: input "int64" (int64 [1, 2]) has ${value} at 1, which is too large for a network of float32: integers go from -16777216 to 16777216`,
    });
    await assert.rejects(with64(BigInt64Array.of(0n, 16777217n)), refused(16777217));
    await assert.rejects(with64([0, -16777217]), refused(-16777217));
    await assert.rejects(with64(Int32Array.of(0, 2 ** 30)), refused(2 ** 30));
    await with64([0, -16777216]);
  });
  test('that are indices are refused as such', async () => {
    await assert.rejects(model.predict({ ...inputs, word: [0, 7] }), { name: 'RangeError', message: /has 7 at 1, which is no index: they go from -7 to 6$/ });
  });
});

describe('indices', async () => {
  const open = async (keras) => {
    const folder = compile(join(root, `tests/goldens/containers/${keras}-nested.keras`));
    return (await import(join(folder, 'index.js'))).load(folder);
  };
  // Five words for an embedding of seven.
  const model = { keras2: await open('k2'), keras3: await open('k3') };
  const run = (keras, words) => model[keras].predict({ words: Int32Array.from(words), numbers: new Float32Array(4) });
  const refused = (value, first) => ({
    name: 'RangeError',
    message: `predict: input "words" (int32 [1, 5]) has ${value} at 3, which is no index: they go from ${first} to 6`,
  });
  test('from the first to the last are taken', async () => {
    for (const keras of Object.keys(model)) await run(keras, [0, 1, 2, 6, 6]);
  });
  test('beyond the end are refused', async () => {
    await assert.rejects(run('keras2', [0, 1, 2, 7, 6]), refused(7, 0));
    await assert.rejects(run('keras3', [0, 1, 2, 7, 6]), refused(7, -7));
  });
  test('below zero count from the end in Keras 3, and are refused in Keras 2', async () => {
    assert.deepEqual(await run('keras3', [3, -7, 4, -1, 1]), await run('keras3', [3, 0, 4, 6, 1]));
    await assert.rejects(run('keras3', [0, 1, 2, -8, 6]), refused(-8, -7));
    await assert.rejects(run('keras2', [0, 1, 2, -1, 6]), refused(-1, 0));
  });
  test('are what is left when fractions are cut off, of whatever type', async () => {
    const model = await (await import(join(echo([['float32', 'f32', [-2, 3]], ['int64', 'i32', [0, 3]]]), 'index.js'))).load();
    const given = (float, int) => ({ float32: Float32Array.of(0, float), int64: BigInt64Array.of(0n, int) });
    for (const value of [2.875, -0.5, -2.875]) await model.predict(given(value, 2n));
    for (const [value, int, what] of [
      [3, 2n, 'input "float32" (float32 [2]) has 3'],
      [-3, 2n, 'input "float32" (float32 [2]) has -3'],
      [NaN, 2n, 'input "float32" (float32 [2]) has NaN'],
      [Infinity, 2n, 'input "float32" (float32 [2]) has Infinity'],
      [2, 3n, 'input "int64" (int64 [2]) has 3'],
      [2, -1n, 'input "int64" (int64 [2]) has -1'],
    ]) {
      const last = what.includes('float') ? '-2' : '0';
      await assert.rejects(model.predict(given(value, int)), {
        name: 'RangeError',
        message: `predict: ${what} at 1, which is no index: they go from ${last} to 2`,
      });
    }
  });
});

describe('the first run', () => {
  const input = new Float32Array(1);
  test('takes place by itself', async () => {
    const model = await open(counter());
    await pause(50);
    // After a warm-up with a part of the work and one with all of it.
    assert.equal((await model.predict(input)).runs[0], 3);
  });
  test('is left to a predict that comes before', async () => {
    const model = await open(counter());
    const before = (await model.predict(input)).runs[0];
    await pause(50);
    assert.equal((await model.predict(input)).runs[0], before + 1);
  });
  test('may fail without a word', async () => {
    const model = await open(counter({ trap: true }));
    await pause(50);
    await assert.rejects(model.predict(input), WebAssembly.RuntimeError);
  });
});

describe('dispose', () => {
  test('ends predict and profile, and may be called twice', async () => {
    const model = await open(affine());
    model.dispose();
    model.dispose();
    const gone = { name: 'InvalidStateError', message: 'the model was disposed of; load it again' };
    await assert.rejects(model.predict(x), gone);
    await assert.rejects(model.profile(x), gone);
  });
  test('gives the memory back while the model object lives', async () => {
    const folder = affine({ weightBytes: 8 << 20 });
    const settled = async () => {
      await pause(20);
      collect();
      await pause(20);
      return process.memoryUsage().arrayBuffers;
    };
    const kept = [];
    const before = await settled();
    for (let i = 0; i < 10; i++) {
      kept.push(await open(folder));
      kept.at(-1).dispose();
    }
    const growth = (await settled()) - before;
    assert.ok(growth < 4 << 20, `${growth} bytes more after 10 models of 8 MiB`);
    assert.equal(kept.length, 10);
  });
});

test('500 predicts leave nothing behind', async () => {
  const run = async (times) => {
    for (let i = 0; i < times; i++) await model.predict(x);
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return { heapUsed, arrayBuffers };
  };
  // The engine's own housekeeping shows in some of the turns; what predictions leave would show in all.
  const turns = [];
  for (let i = 0; i < 5; i++) turns.push(await run(500));
  const least = (key) => Math.min(...turns.slice(1).map((turn, i) => turn[key] - turns[i][key]));
  assert.ok(least('heapUsed') < 50_000, `heap: ${turns.map(({ heapUsed }) => heapUsed).join(', ')}`);
  assert.ok(least('arrayBuffers') < 1000, `arrays: ${turns.map(({ arrayBuffers }) => arrayBuffers).join(', ')}`);
});
