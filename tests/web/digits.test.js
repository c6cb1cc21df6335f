// The digits example in Chromium: someone draws, and the page names the digit.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './support/browser.js';
import { compile, examples } from './support/bundles.js';
import { temporary } from './support/fixture.js';
import { faults, serve, strict } from './support/server.js';

/** Strokes as a hand makes them, in shares of the pad. */
const drawings = {
  0: [[[0.5, 0.2], [0.35, 0.3], [0.3, 0.5], [0.35, 0.7], [0.5, 0.8], [0.65, 0.7], [0.7, 0.5], [0.65, 0.3], [0.5, 0.2]]],
  1: [[[0.38, 0.32], [0.52, 0.18], [0.52, 0.82]]],
  2: [[[0.3, 0.3], [0.4, 0.2], [0.55, 0.18], [0.66, 0.28], [0.64, 0.42], [0.5, 0.58], [0.32, 0.8], [0.7, 0.8]]],
  3: [[[0.32, 0.22], [0.5, 0.17], [0.64, 0.26], [0.6, 0.42], [0.46, 0.48], [0.62, 0.54], [0.67, 0.68], [0.54, 0.8], [0.32, 0.77]]],
  4: [[[0.52, 0.15], [0.3, 0.55], [0.72, 0.55]], [[0.6, 0.4], [0.56, 0.85]]],
  7: [[[0.3, 0.2], [0.7, 0.2], [0.45, 0.82]]],
};
const screenshots = process.env.SCREENSHOTS ?? temporary('screenshots');

const dist = compile(join(examples, 'digits/digits.h5'));
const browser = await launch();
const server = await serve({ '/dist/': dist, '/': join(examples, 'digits') }, strict);
after(async () => {
  await browser.close();
  await server.close();
});

let page;
const complaints = [];

async function open(options) {
  page = await browser.newPage(options);
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${server.url}/index.html`);
}

const ready = () => page.waitForFunction(() => document.getElementById('status').textContent.includes('never leaves'));

/** @param {number[][][]} strokes @param {(point: number[]) => number[]} [place] */
async function draw(strokes, place = (point) => point) {
  await page.click('#clear');
  const { x, y, width, height } = await page.locator('#pad').boundingBox();
  const at = (point) => {
    const [across, down] = place(point);
    return [x + across * width, y + down * height];
  };
  for (const [first, ...rest] of strokes) {
    await page.mouse.move(...at(first));
    await page.mouse.down();
    for (const point of rest) await page.mouse.move(...at(point), { steps: 5 });
    await page.mouse.up();
  }
}

const answer = (digit) => page.waitForFunction((digit) => document.getElementById('best').textContent === digit, String(digit), { timeout: 5000 })
  .catch(async () => assert.fail(`${digit} was taken for ${await page.locator('#best').innerText()}`));

const shares = async () =>
  (await page.locator('#bars li > :last-child').allInnerTexts()).map((text) => parseInt(text, 10));

describe('draw a digit', () => {
  before(async () => {
    await open({ viewport: { width: 1000, height: 640 } });
    await ready();
  });
  after(() => page.close());

  for (const [digit, strokes] of Object.entries(drawings)) {
    test(`a ${digit}`, async () => {
      await draw(strokes);
      await answer(digit);
      const found = await shares();
      assert.equal(found.length, 10);
      assert.equal(found.indexOf(Math.max(...found)), Number(digit));
      assert.ok(Math.abs(found.reduce((sum, share) => sum + share) - 100) <= 5, `${found} do not add up`);
      await page.screenshot({ path: join(screenshots, `digit-${digit}.png`) });
    });
  }
  test('a small 0 in a corner', async () => {
    await draw(drawings[0], ([x, y]) => [x * 0.4, y * 0.4]);
    await answer(0);
  });
  test('nothing, after Clear', async () => {
    await page.click('#clear');
    await answer('–');
    assert.deepEqual(await shares(), Array(10).fill(0));
  });
  test('a 1 with the keyboard', async () => {
    await page.focus('#pad');
    for (const key of [' ', ...Array(8).fill('ArrowDown'), ' ']) await page.keyboard.press(key);
    await answer(1);
  });
  test('without a complaint on the console', () => assert.deepEqual(complaints, []));
});

test('on a phone everything fits the screen, and a finger draws', async () => {
  await open({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2, colorScheme: 'dark' });
  await ready();
  const session = await page.context().newCDPSession(page);
  const { x, y, width, height } = await page.locator('#pad').boundingBox();
  const touch = (type, point) =>
    session.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: point ? [{ x: x + point[0] * width, y: y + point[1] * height }] : [],
    });
  const [first, ...rest] = drawings[0][0];
  await touch('touchStart', first);
  for (const point of rest) await touch('touchMove', point);
  await touch('touchEnd');
  await answer(0);
  await page.screenshot({ path: join(screenshots, 'phone.png') });
  assert.ok(existsSync(join(screenshots, 'phone.png')));
  const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]);
  assert.deepEqual(sizes, [390, 844]);
  await page.close();
});

test('a model that cannot be loaded is said so', async () => {
  server.fault(/weights/, faults.missing);
  await open();
  await page.waitForSelector('#status.failed');
  assert.match(await page.locator('#status').innerText(), /weights-0\.\w+\.bin: the server answered 404 Not Found; see whether/);
  await page.close();
  server.heal();
});
