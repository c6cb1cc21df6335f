// What is printed.

import { engines } from './engines.js';

const fixed = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : '-');

/** Columns as wide as their widest cell, the first to the left, the others to the right. @param {string[][]} rows */
export function table(rows, left = 1) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i < left ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd();
  console.log(rows.map((row) => '  ' + line(row)).join('\n'));
}

/** What is measured of each engine, then ours against the best of the others. */
export function printModel({ model, flops, peaks, compileMs, results, ratios }, versions) {
  const peak = Object.entries(peaks).map(([threads, { median }]) => `${fixed(median, 1)} with ${counted(threads)}`);
  console.log(`\n${model}: ${fixed(flops / 1e9, 3)} GFLOP; peak ${peak.join(', ')}` +
    (compileMs ? `; compiled in ${fixed(compileMs / 1000)} s` : ''));
  const rows = results.map((result) => {
    const { engine, asked, about, threads, ms, cpuMs, gflops, ofPeak, toSteady, coldMs, openMs, memoryMb, bytes, error, failed, pausedMs } = result;
    const ours = results.find((other) => other.engine === 'ours' && other.asked === asked);
    return [
      [engines[engine].title, versions[engine], about && `(${about})`].filter(Boolean).join(' '),
      threads && threads !== asked ? `${threads} of ${asked}` : String(asked),
      engine === 'ours' ? '' : fixed(ours?.ms?.median / ms?.median), fixed(ms?.median), fixed(ms?.least), fixed(cpuMs?.median), fixed(pausedMs?.median), fixed(pausedMs?.ninetieth),
      fixed(gflops, 1), fixed(100 * ofPeak, 0), fixed(ms?.count, 0),
      ...[toSteady?.first, toSteady?.second, toSteady?.tenth].map((each) => fixed(each)),
      fixed(openMs?.median, 0), fixed(coldMs?.median, 0), fixed(memoryMb?.median, 0),
      fixed(bytes?.raw / 1024, 0), fixed(bytes?.brotli / 1024, 0),
      failed ? 'failed' : error <= 1 ? fixed(error, 3) : `WRONG ${fixed(error, 1)}`,
    ];
  });
  table([
    ['', 'threads', 'ours/it', 'ms', 'ms', 'ms', 'paused', 'paused', 'GFLOP/s', '% of', 'runs', '1st/', '2nd/', '10th/', 'ms to', 'ms to', 'MB', 'KB', 'KB', 'error'],
    ['', '', '', 'median', 'least', 'CPU', 'p50', 'p90', '', 'peak', '', 'steady', 'steady', 'steady', 'open', 'output', 'more', 'raw', 'brotli', ''],
    ...rows,
  ]);
  for (const line of byThreads(results)) console.log(line);
  for (const { engine, asked, failed } of results) if (failed) console.log(`  ${engine}, ${counted(asked)}: ${failed}`);
  for (const [threads, each] of Object.entries(ratios)) {
    const parts = Object.entries(each).map(([figure, { ratio, engine }]) => `${FIGURES[figure]} ${fixed(ratio)} (${engines[engine].title})`);
    if (parts.length) console.log(`  ours / best of the others, ${counted(threads)}: ${parts.join(', ')}`);
  }
}

/** What further threads gain: times of ours by those on one thread. */
function byThreads(results) {
  const ours = results.filter(({ engine, ms }) => engine === 'ours' && ms);
  const one = ours.find(({ asked }) => asked === 1);
  const ratio = (now, then, key) => fixed(now?.[key] / then?.[key]);
  return ours.filter(({ asked }) => one && asked > 1).map(({ asked, ms, pausedMs }) =>
    `  ours, ${counted(asked)} / one: back to back p50 ${ratio(ms, one.ms, 'median')}, p90 ${ratio(ms, one.ms, 'ninetieth')}; ` +
    `with pauses p50 ${ratio(pausedMs, one.pausedMs, 'median')}, p90 ${ratio(pausedMs, one.pausedMs, 'ninetieth')}`);
}

const FIGURES = { ms: 'median', least: 'least', coldMs: 'cold start', memoryMb: 'memory', brotli: 'bytes' };

const counted = (threads) => (Number(threads) === 1 ? '1 thread' : `${threads} threads`);

/** A row for every model and number of threads, for a README. */
export function printMarkdown({ machine, browser, models }) {
  const against = (ratio) => (ratio ? `${fixed(ratio.ratio)} (${engines[ratio.engine].title})` : '-');
  console.log(`\n${machine}, Chromium ${browser}. In parentheses the best of the others.\n`);
  console.log('| | threads | ms | ours / best | GFLOP/s | of peak | first run / steady | cold start, ours / best | memory, ours / best |');
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const { model, results, ratios } of models) {
    for (const { engine, asked, ms, gflops, ofPeak, toSteady } of results) {
      if (engine !== 'ours' || !ms) continue;
      const { ms: time, coldMs, memoryMb } = ratios[asked];
      const cells = [model, asked, fixed(ms.median), against(time), fixed(gflops, 1), `${fixed(100 * ofPeak, 0)} %`, fixed(toSteady?.first), against(coldMs), against(memoryMb)];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
}
