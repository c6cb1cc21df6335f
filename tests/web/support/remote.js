// Pages of browsers that are driven by WebDriver, BiDi or classic: what of Playwright's pages the tests use.

import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** https://w3c.github.io/webdriver/#keyboard-actions */
const keys = { ArrowLeft: '\uE012', ArrowUp: '\uE013', ArrowRight: '\uE014', ArrowDown: '\uE015' };

/**
 * @typedef {object} Driver
 * @property {string} name Of the browser, for messages.
 * @property {(url: string) => Promise<void>} goto
 * @property {(call: string) => Promise<string | undefined>} call Calls an asynchronous function, given as source, without
 *   arguments; gives the string that comes out.
 * @property {(actions: object[]) => Promise<void>} act Performs WebDriver's actions.
 * @property {() => Promise<string>} screenshot A PNG in base 64.
 * @property {() => Promise<void>} close
 */

/** @param {Driver} driver */
export function pageOf({ name, goto, call, act, screenshot, close }) {
  const page = {
    goto,
    close,
    /**
     * Calls a function in the page. It and its argument go there as text, and so does what it gives.
     * @param {Function} body
     * @param {unknown} [argument]
     */
    async evaluate(body, argument) {
      const source = `async () => JSON.stringify([await (${body})(${JSON.stringify(argument)})])`;
      return JSON.parse(await call(source))[0];
    },
    /** @param {Function} body @param {unknown} [argument] @param {{ timeout?: number }} [options] */
    async waitForFunction(body, argument, { timeout = 30_000 } = {}) {
      for (const until = Date.now() + timeout; Date.now() < until; await pause(20)) {
        if (await page.evaluate(body, argument)) return;
      }
      throw new Error(`${name} waited for ${timeout} ms: ${body}`);
    },
    /** @param {{ path: string }} options */
    screenshot: async ({ path }) => writeFileSync(path, await screenshot(), 'base64'),
    mouse: {
      /** @param {number} x @param {number} y @param {{ steps?: number }} [options] */
      move(x, y, { steps = 1 } = {}) {
        const [fromX, fromY] = at;
        at = [x, y];
        const between = Array.from({ length: steps }, (_, i) => (i + 1) / steps);
        const move = (share) => ({
          type: 'pointerMove', duration: 0, x: Math.round(fromX + (x - fromX) * share), y: Math.round(fromY + (y - fromY) * share),
        });
        return point(between.map(move));
      },
      down: () => point([{ type: 'pointerDown', button: 0 }]),
      up: () => point([{ type: 'pointerUp', button: 0 }]),
    },
    keyboard: {
      /** @param {string} key A character or an arrow. */
      press(key) {
        const value = keys[key] ?? key;
        return act([{ type: 'key', id: 'keyboard', actions: ['keyDown', 'keyUp'].map((type) => ({ type, value })) }]);
      },
    },
  };
  let at = [0, 0];
  const point = (actions) => act([{ type: 'pointer', id: 'mouse', parameters: { pointerType: 'mouse' }, actions }]);
  return page;
}
