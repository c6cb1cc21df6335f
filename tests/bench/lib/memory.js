// What the browser's processes hold, as Linux tells it.

import { readdirSync, readFileSync } from 'node:fs';

const read = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // The process is gone.
    return '';
  }
};

/** Whether this system can tell. */
export const canMeasureMemory = () => /^Pss:/m.test(read('/proc/self/smaps_rollup'));

/** All processes that descend from this one. */
function descendants() {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    // The name of the program stands in parentheses and may hold anything.
    const parent = /^\d+$/.test(name) && /\) \S (\d+) [^)]*$/.exec(read(`/proc/${name}/stat`))?.[1];
    if (parent) parents.set(name, parent);
  }
  const descends = (pid) => pid !== undefined && (pid === String(process.pid) || descends(parents.get(pid)));
  return [...parents.keys()].filter((pid) => descends(parents.get(pid)));
}

/** MB of the processes that this one started, what several share counted once. */
export function memoryOfChildren() {
  const kilobytes = descendants().map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0));
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** The most that they hold while `act` runs. @param {() => Promise<unknown>} act */
export async function peakOfChildren(act) {
  let most = 0;
  let done = false;
  const acting = act().finally(() => (done = true));
  while (!done) {
    most = Math.max(most, memoryOfChildren());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await acting;
  return Math.max(most, memoryOfChildren());
}
