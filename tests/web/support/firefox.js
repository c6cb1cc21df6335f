// Firefox as it is installed, driven by WebDriver BiDi.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';
import { program, start, within } from './process.js';
import { temporary } from './fixture.js';
import { pageOf } from './remote.js';

/** What differs from what Firefox sets itself when it is driven. */
const preferences = {
  // An address that is not the machine's own to a page, and yet leads here.
  'network.dns.localDomains': 'plain.test',
  // Models whose threads do not end soon have no room for more.
  'dom.workers.maxPerDomain': 20,
};

/** What gives it a GPU of software, Mesa's, for WebGPU and for WebGL. Without a screen it has none. */
const softwareGpu = {
  'dom.webgpu.enabled': true,
  'dom.webgpu.workers.enabled': true,
  'gfx.webgpu.ignore-blocklist': true,
  'webgl.force-enabled': true,
};

/** @param {{ gpu?: boolean }} [options] Whether there is a GPU, on a screen that nobody sees. */
export async function launchFirefox({ gpu = false } = {}) {
  const screen = gpu && start(program('Xvfb', 'XVFB', '/usr/bin/Xvfb', 'xvfb'), ['-displayfd', '1', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp']);
  try {
    const [display] = screen ? await screen.says(/^\d+$/) : [];
    const browser = await launchOn(display, gpu ? { ...preferences, ...softwareGpu } : preferences);
    return { ...browser, close: () => browser.close().finally(() => screen && screen.close()) };
  } catch (error) {
    if (screen) await screen.close();
    throw error;
  }
}

/** @param {string | undefined} display None where nothing is shown. @param {object} preferences */
async function launchOn(display, preferences) {
  const profile = temporary('firefox');
  writeFileSync(
    join(profile, 'user.js'),
    Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''),
  );
  const executable = program('Firefox', 'FIREFOX', '/usr/bin/firefox-esr', 'firefox-esr');
  const firefox = start(
    executable,
    [...(display ? [] : ['--headless']), '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'],
    { HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1', ...(display && { DISPLAY: `:${display}` }) },
  );
  const workers = () => firefox.threads(/^(Isolated )?Web Co/, 'DOM Worker');
  try {
    const [, address] = await firefox.says(/WebDriver BiDi listening on (ws:\S+)/);
    return { ...(await openSession(`${address}/session`)), workers, close: () => firefox.close() };
  } catch (error) {
    await firefox.close();
    throw error;
  }
}

/** @param {string} address */
async function openSession(address) {
  const command = await connect(address);
  const { capabilities } = await command('session.new', { capabilities: {} });
  return {
    version: () => capabilities.browserVersion,
    async newPage() {
      // Pages in tabs that are behind others get no frames.
      const { context } = await command('browsingContext.create', { type: 'window' });
      return pageOf({
        name: 'Firefox',
        goto: (url) => command('browsingContext.navigate', { context, url, wait: 'complete' }),
        async call(functionDeclaration) {
          const options = { functionDeclaration, target: { context }, awaitPromise: true };
          const { result, exceptionDetails } = await command('script.callFunction', options);
          if (exceptionDetails) throw new Error(exceptionDetails.text);
          return result.value;
        },
        async screenshot() {
          return (await command('browsingContext.captureScreenshot', { context })).data;
        },
        act: (actions) => command('input.performActions', { context, actions }),
        close: () => command('browsingContext.close', { context }),
      });
    },
  };
}

/** Commands over a WebSocket, each answered by its number. @param {string} address */
async function connect(address) {
  const socket = new WebSocket(address, { maxPayload: 1 << 28 });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map();
  let last = 0;
  socket.on('message', (data) => {
    const { id, type, result, error, message } = JSON.parse(data);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (type === 'success') resolve?.(result);
    else if (type === 'error') reject?.(new Error(`${error}: ${message}`));
  });
  socket.on('close', () => waiting.forEach(({ reject }) => reject(new Error('Firefox has ended'))));
  /** Nothing is asked any more after a command that hung, so that tests end. @type {Error | undefined} */
  let hung;
  /** @param {string} method @param {object} params */
  return async (method, params) => {
    if (hung) throw hung;
    if (socket.readyState !== WebSocket.OPEN) throw new Error(`${method}: Firefox has ended`);
    const id = ++last;
    const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    socket.send(JSON.stringify({ id, method, params }));
    const late = within(60, `Firefox did not answer ${method} ${params.functionDeclaration ?? params.url ?? ''}`);
    late.catch((error) => waiting.has(id) && (hung = error));
    return Promise.race([answer, late]);
  };
}
