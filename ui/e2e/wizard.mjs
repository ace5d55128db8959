// Adding cameras: one that is found by searching and whose clock is wrong, one
// with ONVIF off, one that bans after a wrong password. Then the masks that a
// camera keeps, and another device in the place of a camera.
// Started by wizard_test.go, which gives all it needs in the environment.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Offences, Steps, launch, must } from './browser.mjs';

const { LARES_URL: base, LARES_USER: user, LARES_PASSWORD: password, LARES_CHROMIUM: chromium, LARES_OUT: out } = process.env;
const { LARES_BANS: bans, LARES_SILENT: silent, LARES_SILENT_STREAM: silentStream } = process.env;
const secret = 'sesam & söhne';

mkdirSync(out, { recursive: true });
const browser = await launch(chromium);
const offences = new Offences(new URL(base).origin);
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
await offences.watch(context);
const page = await context.newPage();
page.setDefaultTimeout(20000);
const urls = [];
context.on('request', (r) => urls.push(r.url()));
const steps = new Steps(async () => {
  await page.screenshot({ path: join(out, 'failed.png'), fullPage: true });
  return `at ${page.url()}\n${await page.locator('main').innerText()}\n${offences.report()}`;
});

/** Pictures of the page as a phone and a laptop show it, light and dark. @param {string} name */
async function pictures(name) {
  await page.waitForTimeout(500); // one page fades into the next
  for (const [size, viewport] of [['desktop', { width: 1280, height: 800 }], ['phone', { width: 390, height: 844 }]]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(out, `${name}-${size}-${colorScheme}.png`), fullPage: true });
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    must(wide <= 0, `the page scrolls sideways by ${wide} pixels on the ${size}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
}

const goto = (path) => page.goto(new URL(path, base).href);
const pathOf = async (name) => {
  await goto('/');
  return page.locator(`a.tile:has-text("${name}")`).getAttribute('href');
};
const ask = () => page.click('form[action="/cameras/new"] button');
const login = async (word) => {
  await page.fill('input[name="user"]', 'admin');
  await page.fill('input[name="password"]', word);
};
const rows = () => page.$$eval('tr[data-level]', (list) => Object.fromEntries(list.map((r) => [r.cells[0].textContent, `${r.dataset.level}: ${r.cells[1].textContent}`])));
const pictured = () => page.waitForFunction(() => document.querySelector('.new-picture')?.naturalWidth > 0);
const playing = () => page.waitForFunction(() => {
  const video = document.querySelector('lares-live video');
  return video && video.readyState >= 2 && video.videoWidth > 0;
});
async function add(name) {
  await page.fill('input[name="name"]', name);
  await page.check('input[name="place"][value="outside"]');
  await page.click('form[action="/cameras/new/add"] button.primary');
  await playing();
}

await steps.take('log in', async () => {
  await page.goto(base);
  await page.fill('input[name="name"]', user);
  await page.fill('input[name="password"]', password);
  await page.click('form[action="/login"] button');
  await page.waitForSelector('a.tile');
});

await steps.take('searching lists the cameras of the house', async () => {
  await goto('/cameras/new');
  await pictures('wizard-begin');
  await page.click('form[action="/cameras/new/search"] button');
  await page.waitForSelector('.new-found li:has-text("Wrong Clock")');
  must(await page.locator('.new-found li:has-text("ONVIF off")').count() === 0, 'a camera with ONVIF off was found');
  await pictures('wizard-found');
});

await steps.take('a camera with a wrong clock is added, and told what to change', async () => {
  await page.click('.new-found li:has-text("Wrong Clock") a.button');
  await login(secret);
  await ask();
  await pictured();
  const advice = await rows();
  must(advice.Clock === 'poor: 5 hours behind', `clock: ${advice.Clock}`);
  must(/^poor: every/.test(advice['Key frames']), `key frames: ${advice['Key frames']}`);
  await pictures('wizard-report');
  await add('Gate');
});

await steps.take('what is added already is marked', async () => {
  await goto('/cameras/new');
  await page.click('form[action="/cameras/new/search"] button');
  const tag = await page.locator('.new-found li:has-text("Wrong Clock") .tag').innerText();
  must(tag.includes('Gate'), tag);
});

await steps.take('a wrong password is offered once, and the camera is not lost by it', async () => {
  await goto('/cameras/new');
  await page.fill('input[name="address"]', bans);
  await login('wrong');
  await ask();
  await page.waitForSelector('.error');
  const words = await page.locator('.error').innerText();
  must(words.includes('It was tried once'), words);
  must(await page.inputValue('input[name="password"]') === '', 'the page holds a password');
  await pictures('wizard-refused');
  await login(secret); // the second wrong one would lock it
  const start = Date.now();
  await ask();
  await pictured();
  const ms = Date.now() - start;
  await add('Shed');
  return `${ms} ms from the login to the test picture, with a key frame each second`;
});

await steps.take('with ONVIF off the way out is named, and the stream address works', async () => {
  await goto('/cameras/new');
  await page.fill('input[name="address"]', silent);
  await login(secret);
  await ask();
  await page.waitForSelector('.error');
  const words = await page.locator('.error').innerText();
  must(words.includes('Switch ONVIF on') && words.includes('rtsp://'), words);
  await page.fill('input[name="address"]', silentStream);
  await login(secret);
  await ask();
  await pictured();
  await add('Attic');
});

await steps.take('a mask is drawn, kept in the camera and read back', async () => {
  const camera = await pathOf('Gate');
  await goto(`${camera}/masks`);
  await page.waitForFunction(() => document.querySelector('[data-part="picture"]')?.naturalWidth > 0);
  await page.click('[data-action="watch"]');
  const box = await page.locator('.plate').boundingBox();
  for (const [x, y] of [[0.1, 0.1], [0.4, 0.1], [0.4, 0.6]]) await page.mouse.click(box.x + x * box.width, box.y + y * box.height);
  await page.click('[data-action="done"]');
  await page.click(`form[action="${camera}/masks"] > .actions button.primary`);
  await page.waitForSelector('.notice');
  const kept = JSON.parse(await page.inputValue('input[name="zones"]'));
  must(kept.length === 1 && Math.abs(kept[0].points[1][0] - 0.4) < 0.02, JSON.stringify(kept));
  await pictures('wizard-masks');
});

await steps.take('a camera without masks says so', async () => {
  await goto(`${await pathOf('Attic')}/masks`);
  must((await page.locator('.note').first().innerText()).includes('cannot keep masks'), 'it does not say so');
  await pictures('wizard-no-masks');
});

await steps.take('another device takes the place of a camera', async () => {
  const camera = await pathOf('Shed');
  await goto(`${camera}/settings`);
  await page.click('a.button:has-text("Replace")');
  await page.fill('input[name="address"]', silentStream);
  await login(secret);
  await ask();
  await pictured();
  await pictures('wizard-replace');
  await page.click('form[action="/cameras/new/add"] button.primary');
  await page.waitForURL((url) => url.pathname === camera);
  await playing();
  must((await page.locator('h1').first().innerText()).includes('Shed'), 'it lost its name');
});

await steps.take('no page did what it must not', async () => {
  const told = urls.filter((u) => decodeURIComponent(u).includes('sesam') || u.includes('wrong'));
  must(told.length === 0, `a password stands in ${told}`);
  // Refused forms answer 422, and a camera that was added a moment ago has no
  // still yet (503): Chromium notes both in its console by itself.
  offences.consoleErrors = offences.consoleErrors.filter((e) => !/status of 422|status of 503 .*still\.jpg/.test(e));
  return offences.check();
});

await browser.close();
process.exitCode = steps.failed ? 1 : 0;
