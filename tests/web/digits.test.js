// The digits example: someone draws, and the page names the digit.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './support/browser.js';
import { everyEngine } from './support/engines.js';
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
const server = await serve({ '/dist/': dist, '/tests/': new URL('pages/', import.meta.url).pathname, '/': join(examples, 'digits') }, strict);
after(() => server.close());

/** The page with what it complains about in `complaints`. */
async function open(browser, options) {
  const page = await browser.newPage(options);
  server.fault(/index\.html$/, (file, response, { headers }) =>
    response.writeHead(200, headers).end(String(file).replace('<head>', '<head><script src="/tests/complaints.js"></script>')));
  await page.goto(`${server.url}/index.html`);
  return page;
}

const ready = (page) => page.waitForFunction(() => document.getElementById('status').textContent.includes('never leaves'));

const textOf = (page, id) => page.evaluate((id) => document.getElementById(id).textContent, id);

/** The middle of an element, or another point of it, in pixels of the window. @param {string} id */
async function pointOf(page, id, [across, down] = [0.5, 0.5]) {
  const { x, y, width, height } = await page.evaluate((id) => document.getElementById(id).getBoundingClientRect().toJSON(), id);
  return [x + across * width, y + down * height];
}

async function clear(page) {
  await page.mouse.move(...(await pointOf(page, 'clear')));
  await page.mouse.down();
  await page.mouse.up();
}

/** @param {number[][][]} strokes @param {(point: number[]) => number[]} [place] */
async function draw(page, strokes, place = (point) => point) {
  await clear(page);
  for (const [first, ...rest] of strokes) {
    await page.mouse.move(...(await pointOf(page, 'pad', place(first))));
    await page.mouse.down();
    for (const point of rest) await page.mouse.move(...(await pointOf(page, 'pad', place(point))), { steps: 5 });
    await page.mouse.up();
  }
}

const answer = (page, digit) =>
  page.waitForFunction((digit) => document.getElementById('best').textContent === digit, String(digit), { timeout: 5000 })
    .catch(async () => assert.fail(`${digit} was taken for ${await textOf(page, 'best')}`));

const shares = (page) =>
  page.evaluate(() => Array.from(document.querySelectorAll('#bars li > :last-child'), ({ textContent }) => parseInt(textContent, 10)));

everyEngine(({ name }, browser) => {
  let page;
  before(async () => {
    page = await open(browser, { viewport: { width: 1000, height: 640 } });
    await ready(page);
  });

  for (const [digit, strokes] of Object.entries(drawings)) {
    test(`a ${digit}`, async () => {
      await draw(page, strokes);
      await answer(page, digit);
      const found = await shares(page);
      assert.equal(found.length, 10);
      assert.equal(found.indexOf(Math.max(...found)), Number(digit));
      assert.ok(Math.abs(found.reduce((sum, share) => sum + share) - 100) <= 5, `${found} do not add up`);
      await page.screenshot({ path: join(screenshots, `${name.split(' ').join('-')}-${digit}.png`) });
    });
  }
  test('a small 0 in a corner', async () => {
    await draw(page, drawings[0], ([x, y]) => [x * 0.4, y * 0.4]);
    await answer(page, 0);
  });
  test('nothing, after Clear', async () => {
    await clear(page);
    await answer(page, '–');
    assert.deepEqual(await shares(page), Array(10).fill(0));
  });
  test('a 1 with the keyboard', async () => {
    await page.evaluate(() => document.getElementById('pad').focus());
    for (const key of [' ', ...Array(8).fill('ArrowDown'), ' ']) await page.keyboard.press(key);
    await answer(page, 1);
  });
  test('without a complaint', async () => assert.deepEqual(await page.evaluate(() => window.complaints), []));

  test('a model that cannot be loaded is said so', async () => {
    server.fault(/weights/, faults.missing);
    const page = await open(browser);
    try {
      await page.waitForFunction(() => document.querySelector('#status.failed'));
      assert.match(await textOf(page, 'status'), /weights-0\.\w+\.bin: the server answered 404 Not Found; see whether/);
    } finally {
      await page.close();
      server.heal();
    }
  });
});

test('each backend answers when it is chosen, and shows its time', async () => {
  const browser = await launch([], { gpu: true });
  after(() => browser.close());
  const page = await open(browser, { viewport: { width: 1000, height: 640 } });
  await ready(page);
  for (const backend of ['webgpu', 'webgl', 'wasm']) {
    await page.locator(`input[value=${backend}]`).check({ force: true });
    // Its first prediction may come later than the status.
    await page.waitForFunction(() => document.getElementById('status').textContent.includes('never leaves'), undefined, { timeout: 60_000 });
    await draw(page, drawings[4]);
    await page.waitForFunction(
      (backend) => / ms$/.test(document.querySelector(`label:has([value=${backend}])`).innerText) && document.getElementById('best').textContent === '4',
      backend,
      { timeout: 30_000 },
    );
    assert.equal(await page.evaluate(() => document.querySelector('input:checked').value), backend);
  }
  await page.screenshot({ path: join(screenshots, 'backends.png') });
  assert.deepEqual(await page.evaluate(() => window.complaints), []);
});

// Only Chromium can be told to be a phone.
test('on a phone everything fits the screen, and a finger draws', async () => {
  const browser = await launch();
  after(() => browser.close());
  const page = await open(browser, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2, colorScheme: 'dark' });
  await ready(page);
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
  await answer(page, 0);
  await page.screenshot({ path: join(screenshots, 'phone.png') });
  assert.ok(existsSync(join(screenshots, 'phone.png')));
  const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]);
  assert.deepEqual(sizes, [390, 844]);
  await page.close();
});
