// The steps of a plan, as `keras-compile MODEL --emit plan` prints it, with their times.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { summary } from './statistics.js';

const compiler = fileURLToPath(new URL('../../../target/release/keras-compile', import.meta.url));
const numbers = (text = '') => (text.match(/\d+/g) ?? []).map(Number);
const product = (values) => values.reduce((result, value) => result * value, 1);

/** @param {string} kernel As Rust's Debug shows it. */
function describe(kernel) {
  const family = /^\w+/.exec(kernel)?.[0] ?? '?';
  const dims = numbers(/\bdims: \[([\d, ]*)\]/.exec(kernel)?.[1]);
  // Count and distance of every tap.
  const taps = numbers(/\btaps: \[([\d(), ]*)\]/.exec(kernel)?.[1]).filter((_, i) => i % 2 === 0);
  const run = Number(/\brun: (\d+)/.exec(kernel)?.[1] ?? 1);
  const k = product(taps) * run;
  const multiplies = /^(Contract|Depthwise)/.test(kernel);
  const label = [dims.join('x'), taps.length || run > 1 ? `k=${[...taps, run].join('x')}` : ''].filter(Boolean).join(' ');
  return { family, kernel: `${family} ${label}`, flops: multiplies ? 2 * product(dims) * k : 0 };
}

/**
 * @param {string} model
 * @param {number[][]} runs Milliseconds by step.
 */
export function readPlan(model, runs) {
  const { status, stdout, stderr } = spawnSync(compiler, [model, '--emit', 'plan', '--quiet'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`keras-compile ${model} --emit plan failed: ${stderr}`);
  const kernels = new Map();
  const steps = [];
  for (const line of stdout.split('\n')) {
    const kernel = /^(k\d+) = (.*)$/.exec(line);
    const call = /^\d+: (k\d+)\(.*?\) ; (.*?)(?:, (\d+) flop)?$/.exec(line);
    const loop = /^\d+: (\d+) times$/.exec(line);
    const inLoop = /^ {2}(k\d+)\(.*?\) ; (.*?)(?:, (\d+) flop)?$/.exec(line);
    if (kernel) kernels.set(kernel[1], describe(kernel[2]));
    if (call) {
      const [, id, name, flops] = call;
      steps.push({ ...kernels.get(id), name, ...(flops && { flops: Number(flops) }) });
    }
    if (loop) steps.push({ name: '', family: 'Loop', kernel: `Loop ${loop[1]} times`, flops: 0, times: Number(loop[1]) });
    if (inLoop) {
      const [, id, name, flops] = inLoop;
      const step = steps.at(-1);
      step.name ||= name;
      step.flops += step.times * (flops ? Number(flops) : kernels.get(id).flops);
    }
  }
  if (steps.length !== runs[0].length) throw new Error(`the plan has ${steps.length} steps, the bundle ${runs[0].length}`);
  // A step does the same every time: what it takes beyond that is someone else's.
  return steps.map((step, i) => ({ step: i, ...step, ms: summary(runs.map((times) => times[i])).tenth }));
}
