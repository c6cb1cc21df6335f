// The numbers that GPUs are checked with, against those of the compiler, and what is made of wrong results.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { filler, firstDifference, firstFault } from '../../runtime-web/src/check.js';

const { patterns, check } = JSON.parse(readFileSync(new URL('support/patterns.json', import.meta.url), 'utf8'));

const word = (value) => new Uint32Array(Float32Array.of(value).buffer)[0];

/** A device that gives what is expected, but for what `wrong` changes; notes what it is asked. */
function device(wrong = (word) => word) {
  const expected = new Map();
  const note = (buffer, samples, seed) => samples.forEach(([byte, bits]) => expected.set([buffer, byte, seed].join(), bits));
  for (const { step, buffer, patterns } of check.kernels) for (const { seed, samples } of patterns) note(`${step} ${buffer}`, samples, seed);
  for (const { buffer, samples } of check.network.outputs) note(`network ${buffer}`, samples, check.network.seed);
  const log = [];
  const runs = {};
  const make = filler();
  let filled = [];
  let now;
  return {
    log,
    write(...part) {
      filled.push(part);
    },
    run(step, dispatches) {
      const { fills, patterns } = check.kernels.find((kernel) => kernel.step === step && kernel.dispatches[0] === dispatches[0]);
      const { seed } = patterns.find(({ seed }) => fills.every((fill, i) => make(fill, seed).every((word, at) => word === filled[i][2][at])));
      filled = [];
      runs[step] = (runs[step] ?? -1) + 1;
      now = { step, seed, round: runs[step] };
      log.push([step, seed]);
    },
    predict() {
      filled = [];
      now = { step: 'network', seed: check.network.seed, round: (runs.network = (runs.network ?? -1) + 1) };
      log.push(['network', now.seed]);
    },
    async read(buffer, bytes) {
      const { step, seed, round } = now;
      return bytes.map((byte, i) => wrong(expected.get([`${step} ${buffer}`, byte, seed].join()), { step, round, i }));
    },
  };
}

test('numbers are those of the compiler, bit for bit', () => {
  assert.ok(patterns.length > 10);
  const make = filler();
  for (const { fill, seed, first, sum } of patterns) {
    const words = make(fill, seed);
    assert.deepEqual([...words.subarray(0, first.length)], first, `${fill} of ${seed}`);
    assert.equal(words.reduce((sum, word) => (Math.imul(sum, 31) + word) >>> 0, 0), sum, `${fill} of ${seed}`);
    assert.equal(words.length, fill[2] / 4);
  }
});

test('samples are compared as floats within their tolerance, else as bits', () => {
  const samples = [[0, word(2), 0.1], [4, 7, 0], [8, word(-0), 0.1]];
  const difference = (...words) => firstDifference(samples, words);
  assert.equal(difference(word(2), 7, word(0)), undefined);
  assert.equal(difference(word(2.09), 7, word(0.05)), undefined);
  assert.deepEqual(difference(word(1), 7, word(9)), { byte: 0, expected: 2, found: 1 });
  assert.equal(difference(word(2), 8, word(0))?.byte, 4);
  for (const value of [NaN, Infinity, -Infinity, 0.2]) assert.equal(difference(word(2), 7, word(value))?.byte, 8, `${value}`);
  assert.equal(firstDifference(samples, [word(2.5), 7, 0], 8), undefined);
  assert.equal(firstDifference(samples, [word(2.5), 8, 0], 8)?.byte, 4);
});

test('a device that is right has no fault, and is asked again for what it gave before', async () => {
  const gpu = device();
  assert.equal(await firstFault(check, gpu), undefined);
  const kernels = check.kernels.flatMap(({ step }) => [1, 2, 1].map((seed) => [step, seed]));
  assert.deepEqual(gpu.log, [...kernels, ['network', 1], ['network', 1]]);
});

test('the first kernel that is wrong is named, also if it is right at first', async () => {
  const [, second, third] = check.kernels;
  for (const round of [0, 1, 2]) {
    const flip = (found, at) => ([second.step, third.step].includes(at.step) && at.round === round && at.i === 3 ? found ^ 0x40000000 : found);
    const fault = await firstFault(check, device(flip));
    assert.equal(fault?.name, second.name);
    assert.equal(fault.round, round);
    assert.equal(fault.byte, second.patterns[round % 2].samples[3][0]);
    assert.notEqual(fault.found, fault.expected);
  }
  const late = await firstFault(check, device((found, { step, round }) => (step === 'network' && round === 1 ? word(NaN) : found)));
  assert.deepEqual([late?.name, late?.round, Number.isNaN(late?.found)], ['output 0', 1, true]);
});
