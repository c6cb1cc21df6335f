// WebKitGTK's small browser, driven by classic WebDriver, on a screen that nobody sees.

import { createServer, request } from 'node:http';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { program, start } from './process.js';
import { temporary } from './fixture.js';
import { pageOf } from './remote.js';

const folders = ['x86_64', 'aarch64'].map((machine) => `/usr/lib/${machine}-linux-gnu/webkit2gtk-4.1/MiniBrowser`);
/** The longest that a page may take for one call, in milliseconds. */
const LONGEST = 60_000;
/** The longest that its start may take, in milliseconds: machines that test are busy. */
const START = 120_000;

/** @param {Record<string, string>} [features] Of the engine, as variables of the environment. */
export async function launchWebKit(features = {}) {
  const binary = program('WebKitGTK', 'WEBKIT', folders.find((path) => existsSync(path)) ?? folders[0], 'webkit2gtk-driver');
  const executable = program("WebKitGTK's driver", 'WEBKIT_DRIVER', '/usr/bin/WebKitWebDriver', 'webkit2gtk-driver');
  const xvfb = program('Xvfb', 'XVFB', '/usr/bin/Xvfb', 'xvfb');
  const launch = () => launchPrograms({ binary, executable, xvfb }, features);
  return launch().catch((error) => {
    // On a busy machine the driver now and then says nothing at all. No test has begun.
    console.log(`WebKit did not start and is started once more: ${error.message}`);
    return launch();
  });
}

async function launchPrograms({ binary, executable, xvfb }, features) {
  const screen = start(xvfb, ['-displayfd', '1', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp']);
  const [display] = await screen.says(/^\d+$/);
  const home = temporary('webkit');
  const port = await freePort();
  const driver = start(executable, [`--port=${port}`], { DISPLAY: `:${display}`, HOME: home, XDG_RUNTIME_DIR: home, ...features });
  const proxy = await forwarder();
  const close = async () => {
    proxy.closeAllConnections();
    proxy.close();
    await driver.close();
    await screen.close();
  };
  try {
    const options = {
      'webkitgtk:browserOptions': { binary, args: ['--automation'] },
      proxy: { proxyType: 'manual', httpProxy: `127.0.0.1:${proxy.address().port}`, noProxy: ['127.0.0.1'] },
      timeouts: { script: LONGEST, pageLoad: LONGEST },
    };
    return { ...(await openSession(commands(`http://127.0.0.1:${port}`), options, driver)), close };
  } catch (error) {
    await close();
    throw new Error(`${error.message}\n${driver.said.join('\n')}`, { cause: error });
  }
}

async function openSession(command, options, driver) {
  await answering(command);
  const { sessionId, capabilities } = await command('POST', '/session', { capabilities: { alwaysMatch: options } }, START);
  const session = (method, path, body) => command(method, `/session/${sessionId}${path}`, body);
  const first = await session('GET', '/window');
  return {
    version: () => capabilities.browserVersion,
    newPage: () => newPage(session, first),
    workers: () => driver.threads(/^WebKitWebProces/, 'WebCore: Worker'),
  };
}

/** One of the windows, of which WebDriver speaks to one at a time. The first is there as long as the browser. */
async function newPage(session, first) {
  const open = async () => {
    await session('POST', '/window', { handle: first });
    return (await session('POST', '/window/new', { type: 'window' })).handle;
  };
  let handle = await open();
  const here = async (method, path, body) => {
    await session('POST', '/window', { handle });
    return session(method, path, body);
  };
  const visit = async (url) => {
    await here('POST', '/url', { url });
    // It waits until the page is no longer loading, as every script does.
    await here('POST', '/execute/sync', { script: '', args: [] });
  };
  return pageOf({
    name: 'WebKit',
    async goto(url) {
      try {
        await visit(url);
      } catch (error) {
        if (error.code !== 'timeout') throw error;
        // Once in some thousand visits WebKitGTK 2.50 takes a page that is there for one that is still loading, and WebDriver
        // runs no script in it: that is a "timeout", where a script that takes too long is a "script timeout". Nothing of the
        // test has run there yet, and other windows work.
        console.log(`WebKit opens ${url} once more, in another window: ${error.message}`);
        await here('DELETE', '/window');
        handle = await open();
        await visit(url);
      }
    },
    async call(body) {
      const script = `const done = arguments[0]; (${body})().then((text) => done({ text }), (error) => done({ error: String(error) }));`;
      const { text, error } = await here('POST', '/execute/async', { script, args: [] });
      if (error) throw new Error(error);
      return text;
    },
    screenshot: () => here('GET', '/screenshot'),
    act: (actions) => here('POST', '/actions', { actions }),
    close: () => here('DELETE', '/window'),
  });
}

/** @param {string} address Of the driver. */
function commands(address) {
  /** Nothing is asked any more after a command that hung, so that tests end. @type {Error | undefined} */
  let hung;
  return async (method, path, body, longest = LONGEST + 10_000) => {
    if (hung) throw hung;
    const about = `${method} ${path} ${JSON.stringify(body) ?? ''}`;
    const signal = AbortSignal.timeout(longest);
    const options = { method, signal, body: body && JSON.stringify(body) };
    const response = await fetch(address + path, options).catch((error) => {
      const failure = new Error(`WebKit did not answer ${about}: ${signal.aborted ? `nothing for ${longest / 1000} s` : (error.cause ?? error)}`);
      if (signal.aborted) hung = failure;
      throw failure;
    });
    const { value } = await response.json();
    if (!response.ok) throw Object.assign(new Error(`WebKit answered "${value.error}: ${value.message}" to ${about}`), { code: value.error });
    return value;
  };
}

/** It does not say when it listens. */
async function answering(command) {
  for (const until = Date.now() + LONGEST; ; ) {
    try {
      return await command('GET', '/status');
    } catch (error) {
      if (Date.now() > until) throw error;
      await pause(100);
    }
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Fetches addresses of other hosts from this machine: addresses that are not its own to a page, and yet lead here. */
async function forwarder() {
  const server = createServer(({ url, method, headers }, response) => {
    const { port, pathname, search } = new URL(url);
    request({ host: '127.0.0.1', port, path: pathname + search, method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    }).on('error', () => response.destroy()).end();
  });
  await once(server.listen(0, '127.0.0.1').unref(), 'listening');
  return server;
}
