#!/usr/bin/env node
// Runs the command for this platform as if it were called itself: its streams, its signals, its end.

import { spawn } from 'node:child_process';
import process from 'node:process';
import { binary } from '../binary.js';

/** Says what is wrong, and that it is no fault of a model. */
function fail(error) {
  console.error(`error: ${error.message}`);
  process.exit(2);
}

let path;
try {
  path = binary();
} catch (error) {
  fail(error);
}
const child = spawn(path, process.argv.slice(2), { stdio: 'inherit' });
child.on('error', fail);
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
// What a terminal sends to both, the command has already; a second time would end it before it has cleaned up.
for (const signal of signals) process.on(signal, () => signal === 'SIGINT' || child.kill(signal));
child.on('exit', (code, signal) => {
  if (!signal) process.exit(code ?? 1);
  for (const each of signals) process.removeAllListeners(each);
  process.kill(process.pid, signal);
});
