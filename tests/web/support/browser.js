// Starts Debian's Chromium, or the one that CHROMIUM names.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const headless = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** What gives Chromium GPUs of software: SwiftShader, for WebGPU and for WebGL. */
const softwareGpu = [
  '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
  // Pages may go on after the GPU was lost.
  '--disable-gpu-process-crash-limit', '--disable-domain-blocking-for-3d-apis',
];

/** What takes parts of them away again, each of which pages have to do without. */
export const withoutGpu = {
  webgpu: { without: ['--enable-unsafe-webgpu'], args: [] },
  webgl: { without: [], args: ['--disable-webgl2'] },
};

/** Its arguments, without a GPU or with one of software. @param {{ gpu: boolean }} options */
export const chromiumArguments = ({ gpu }) => [...headless.filter((arg) => !gpu || arg !== '--disable-gpu'), ...(gpu ? softwareGpu : [])];

/**
 * @param {string[]} [args]
 * @param {{ gpu?: boolean, without?: string[] }} [options] `gpu`: whether there is a GPU. `without`: arguments that are left out.
 */
export async function launch(args = [], { gpu = false, without = [] } = {}) {
  if (!existsSync(executablePath)) {
    throw new Error(`there is no Chromium at ${executablePath}; install it (apt-get install chromium) or set CHROMIUM to its path`);
  }
  return chromium.launch({
    executablePath,
    args: [...chromiumArguments({ gpu }), ...args].filter((arg) => !without.includes(arg)),
  });
}
