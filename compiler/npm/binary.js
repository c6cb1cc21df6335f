// Where the command is: in the package for this platform, which npm installs as an optional dependency.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';

const platforms = JSON.parse(readFileSync(new URL('platforms.json', import.meta.url), 'utf8'));

/** The path of the command. `KERAS_COMPILE_BINARY` in the environment names another one. */
export function binary() {
  const named = process.env.KERAS_COMPILE_BINARY;
  if (named) {
    if (existsSync(named)) return named;
    throw new Error(`KERAS_COMPILE_BINARY names ${JSON.stringify(named)}, where nothing is`);
  }
  const { platform, arch } = process;
  const found = platforms.find(({ os, cpu }) => os === platform && cpu === arch);
  if (!found) {
    const all = platforms.map(({ name }) => name).join(', ');
    throw new Error(
      `keras-compile has no package for ${platform}-${arch}, only for ${all}; ` +
        'build the command with cargo and name it in KERAS_COMPILE_BINARY',
    );
  }
  const name = `@keras-compile/${found.name}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    return join(dirname(manifest), 'bin', platform === 'win32' ? 'keras-compile.exe' : 'keras-compile');
  } catch {
    throw new Error(
      `the package ${name} is not installed, which holds the command for this platform; install keras-compile again without ` +
        `--omit=optional and on the machine that runs it (node_modules of another system, or of another libc, do not do), ` +
        'or name a command in KERAS_COMPILE_BINARY',
    );
  }
}
