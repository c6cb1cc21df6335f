// What is printed.

import { engines } from './engines.js';

const fixed = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : '-');

/** Columns as wide as their widest cell, the first to the left, the others to the right. @param {string[][]} rows */
export function table(rows, left = 1) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i < left ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd();
  console.log(rows.map((row) => '  ' + line(row)).join('\n'));
}

/** Times of a model by engine, medians, ratios first. */
export function printModel({ model, flops, peak, compileMs, engines: results }, versions) {
  console.log(`\n${model}: ${fixed(flops / 1e9, 3)} GFLOP; peak ${fixed(peak.median, 1)} GFLOP/s` +
    (compileMs ? `; compiled in ${fixed(compileMs / 1000)} s` : ''));
  const rows = Object.entries(results).map(([name, result]) => {
    const { about, ms, cpuMs, coldMs, bytes, error, failed } = result;
    const ratio = (key) => (name === 'ours' ? '' : fixed(results.ours?.[key]?.median / result[key]?.median));
    const speed = flops / (cpuMs ?? ms)?.median / 1e6;
    return [
      [engines[name].title, versions[name], about && `(${about})`].filter(Boolean).join(' '),
      ratio('ms'), ratio('cpuMs'), fixed(ms?.median), fixed(ms?.least), fixed(cpuMs?.median),
      fixed(speed, 1), fixed((100 * speed) / peak.median, 0), fixed(ms?.count, 0),
      ratio('coldMs'), fixed(coldMs?.median, 0),
      fixed(bytes?.raw / 1024, 0), fixed(bytes?.brotli / 1024, 0),
      failed ? 'failed' : error <= 1 ? fixed(error, 3) : `WRONG ${fixed(error, 1)}`,
    ];
  });
  table([
    ['', 'ours/it', 'ours/it', 'ms', 'ms', 'ms', 'GFLOP/s', '% of', 'runs', 'ours/it', 'ms', 'KB', 'KB', 'error'],
    ['', 'median', 'CPU', 'median', 'least', 'CPU', 'CPU', 'peak', '', 'cold', 'cold', 'raw', 'brotli', ''],
    ...rows,
  ]);
  for (const [name, { failed }] of Object.entries(results)) if (failed) console.log(`  ${name}: ${failed}`);
}

/** Steps by family, then the slowest ones. */
export function printProfile({ steps, peak }, count) {
  const total = steps.reduce((sum, { ms }) => sum + ms, 0);
  const cells = ({ ms, flops }) => {
    const speed = flops ? flops / ms / 1e6 : NaN;
    return [fixed(ms, 3), fixed((100 * ms) / total, 1), fixed(speed, 1), fixed((100 * speed) / peak.median, 0)];
  };
  const families = new Map();
  for (const { family, ms, flops } of steps) {
    const sum = families.get(family) ?? { ms: 0, flops: 0, steps: 0 };
    families.set(family, { ms: sum.ms + ms, flops: sum.flops + flops, steps: sum.steps + 1 });
  }
  console.log(`  steps: ${steps.length}, ${fixed(total)} ms`);
  const byTime = (a, b) => b[1].ms - a[1].ms;
  table([['family', 'steps', 'ms', '% of all', 'GFLOP/s', '% of peak'],
    ...[...families].sort(byTime).map(([family, sum]) => [family, String(sum.steps), ...cells(sum)])]);
  console.log();
  const slowest = [...steps].sort((a, b) => b.ms - a.ms).slice(0, count);
  table([['step', 'layer', 'kernel', 'ms', '% of all', 'GFLOP/s', '% of peak'],
    ...slowest.map((step) => [String(step.step), step.name, step.kernel, ...cells(step)])], 3);
}
