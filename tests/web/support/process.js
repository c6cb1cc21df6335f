// Programs that tests start: found where Debian puts them, heard, and ended with all that they started.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

/** Leaders of groups. */
const running = new Set();

function end(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
  running.delete(pid);
}
process.on('exit', () => running.forEach(end));
for (const reason of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(reason, () => process.exit(1));

/**
 * Where a program is.
 * @param {string} name For messages.
 * @param {string} variable Of the environment, with another path.
 * @param {string} path
 * @param {string} packages Of Debian.
 */
export function program(name, variable, path, packages) {
  const found = process.env[variable] ?? path;
  if (!existsSync(found)) {
    throw new Error(`there is no ${name} at ${found}; install it (apt-get install ${packages}) or set ${variable} to its path`);
  }
  return found;
}

/**
 * Starts a program in a group of its own.
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} [env] Besides what is there.
 */
export function start(command, args, env = {}) {
  const child = spawn(command, args, { detached: true, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid) running.add(child.pid);
  const said = [];
  const ended = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve(`it ended with ${code ?? signal}`));
  });
  const listeners = new Set();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      said.push(line);
      listeners.forEach((hear) => hear(line));
    });
  }
  return {
    said,
    /** The first match in a line that it prints. @param {RegExp} pattern @param {number} [seconds] */
    async says(pattern, seconds = 60) {
      const line = new Promise((resolve) => listeners.add((line) => pattern.test(line) && resolve(line.match(pattern))));
      const found = await Promise.race([line, ended, within(seconds, `${command} did not say ${pattern}`)]);
      if (Array.isArray(found)) return found;
      throw new Error(`${command} did not start: ${found}\n${said.join('\n')}`);
    },
    /** How many threads of a name there are in processes of a name below it, in 15 characters. @param {RegExp} name @param {string} thread */
    threads: (name, thread) =>
      below(child.pid).filter((pid) => name.test(about(`${pid}/comm`))).flatMap(threadsOf).filter((other) => other === thread).length,
    async close() {
      if (!child.pid) return;
      end(child.pid);
      await ended;
      // What it had started may write into a folder that is about to be removed.
      for (let tries = 0; tries < 200 && groupLives(child.pid); tries++) await pause(20);
    },
  };
}

/** A file of Linux about a process, empty when that has ended. @param {string} path */
function about(path) {
  try {
    return readFileSync(`/proc/${path}`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** All processes. */
const processes = () =>
  readdirSync('/proc').map(Number).filter((pid) => pid > 0).map((pid) => {
    // After a name in parentheses, which may hold anything.
    const [state, parent, group] = about(`${pid}/stat`).split(') ').at(-1).split(' ');
    return { pid, state, parent: Number(parent), group: Number(group) };
  });

/** Whether a group has members besides those that have ended and are only remembered. @param {number} leader */
const groupLives = (leader) => processes().some(({ state, group }) => group === leader && state !== 'Z');

/** The processes that one has started, and theirs. @param {number} leader @returns {number[]} */
function below(leader) {
  const all = processes();
  const found = [leader];
  for (const pid of found) found.push(...all.filter(({ parent }) => parent === pid).map(({ pid }) => pid));
  return found.slice(1);
}

function threadsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => about(`${pid}/task/${thread}/comm`));
  } catch {
    return [];
  }
}

/** Rejects after a time; keeps no process alive. @param {number} seconds @param {string} what Did not happen. */
export const within = (seconds, what) =>
  new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} for ${seconds} s`)), 1000 * seconds).unref());
