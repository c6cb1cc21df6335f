// Starts Debian's Chromium, or the one that CHROMIUM names.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const headless = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** @param {string[]} [args] */
export async function launch(args = []) {
  if (!existsSync(executablePath)) {
    throw new Error(`there is no Chromium at ${executablePath}; install it (apt-get install chromium) or set CHROMIUM to its path`);
  }
  return chromium.launch({
    executablePath,
    args: [...headless, ...args],
  });
}
