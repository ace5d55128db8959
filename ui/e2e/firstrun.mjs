// The first run of an owner: the one-time code, name and password, the recovery
// key, an authenticator app, the first camera; then a log-in on another device.
// Started by firstrun_test.go, which gives all it needs in the environment.
import { createHmac } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Offences, Steps, launch, must } from './browser.mjs';

const { LARES_URL: base, LARES_CODE: code, LARES_CAMERA: camera, LARES_CHROMIUM: chromium, LARES_OUT: out } = process.env;
const password = 'a garden gate that squeaks';
const phone = { width: 390, height: 844 };

mkdirSync(out, { recursive: true });
const browser = await launch(chromium);
const offences = new Offences(new URL(base).origin);
const open = async () => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: phone, colorScheme: 'light' });
  await offences.watch(context);
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  return page;
};
let page = await open();
const steps = new Steps(async () => {
  await page.screenshot({ path: join(out, 'failed.png') });
  return `at ${page.url()}\n${await page.locator('main').innerText()}\n${offences.report()}`;
});
const picture = (name) => page.screenshot({ path: join(out, `${name}.png`), fullPage: true });
const send = (button = 'button.primary') => page.click(button);
const heading = (text) => page.waitForFunction((text) => document.querySelector('h1')?.textContent.includes(text), text);

/** The code that an authenticator app shows (RFC 6238, SHA-1, 30 s, 6 digits). @param {string} secret base32 */
function authenticator(secret) {
  const bits = [...secret.replace(/[^A-Z2-7]/g, '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}

await steps.take('the box asks for its one-time code and refuses another', async () => {
  await page.goto(base);
  await page.waitForSelector('input[name="setup-code"]');
  await picture('first-code');
  await page.fill('input[name="setup-code"]', 'AAAA-AAAA');
  await send();
  await page.waitForSelector('[role="alert"], .error');
  await page.fill('input[name="setup-code"]', code);
  await send();
});

await steps.take('a short password and a common one are refused', async () => {
  await page.waitForSelector('input[name="again"]');
  for (const weak of ['too short', 'password1234']) {
    await page.fill('input[name="name"]', 'Zoë "O\'Neil" 🏡');
    await page.fill('input[name="password"]', weak);
    await page.fill('input[name="again"]', weak);
    await send();
    await page.waitForSelector('.error');
  }
  await page.fill('input[name="password"]', password);
  await page.fill('input[name="again"]', password);
  await send();
});

await steps.take('the recovery key is shown and partly typed back', async () => {
  await page.waitForSelector('ol.groups');
  await picture('first-recovery');
  const groups = await page.locator('ol.groups li').allInnerTexts();
  const asked = await page.locator('label').allInnerTexts();
  const numbers = asked.join(' ').match(/\d+/g).map(Number);
  must(numbers.length === 2, `asked for ${asked}`);
  await page.fill('input[name="group-a"]', 'AAAAA');
  await page.fill('input[name="group-b"]', groups[numbers[1] - 1]);
  await send();
  await page.waitForSelector('.error');
  await page.fill('input[name="group-a"]', groups[numbers[0] - 1].toLowerCase());
  await page.fill('input[name="group-b"]', groups[numbers[1] - 1]);
  await send();
});

let secret = '';
await steps.take('an authenticator app is paired', async () => {
  await page.waitForSelector('.qr svg path');
  await picture('first-factor');
  await page.click('details:not(.quiet) summary');
  secret = await page.locator('details:not(.quiet) .mono').innerText();
  await page.fill('input[name="code"]', authenticator(secret));
  await send();
});

await steps.take('it says what is kept', async () => {
  await page.waitForURL(/welcome/);
  await picture('first-welcome');
  await page.click('form[action="/first"] button');
});

await steps.take('a camera that is not there is named as that', async () => {
  await page.waitForSelector('input[name="address"]');
  await page.fill('input[name="address"]', 'rtsp://127.0.0.1:1/stream');
  await page.click('form[action="/cameras/new"] button');
  await page.waitForSelector('.error');
  await picture('first-unreachable');
  await page.click('button[formaction="/cameras/new/change"]');
});

await steps.take('the first camera is tested, added and live', async () => {
  await page.waitForSelector('input[name="address"]');
  await page.fill('input[name="address"]', camera);
  await page.click('form[action="/cameras/new"] button');
  await page.waitForSelector('input[name="place"]');
  await page.waitForFunction(() => document.querySelector('.new-picture')?.naturalWidth > 0);
  await page.fill('input[name="name"]', 'Garden');
  await picture('first-camera');
  await page.check('input[name="place"][value="outside"]');
  const start = Date.now();
  await send();
  await page.waitForFunction(() => {
    const video = document.querySelector('lares-live video');
    return video && video.readyState >= 2 && video.videoWidth > 0;
  });
  await picture('first-live');
  return `${Date.now() - start} ms from the click to the picture`;
});

await steps.take('another device logs in with password and a fresh code', async () => {
  const used = authenticator(secret);
  page = await open();
  await page.goto(base);
  await page.fill('input[name="name"]', 'Zoë "O\'Neil" 🏡');
  await page.fill('input[name="password"]', password);
  await send('form[action="/login"] button');
  await page.waitForSelector('.error');
  await page.fill('input[name="password"]', password);
  await page.fill('input[name="code"]', used);
  await send('form[action="/login"] button');
  // The code of the pairing may still be the current one, and none counts twice.
  const again = await page.waitForSelector('.error, a.tile').then((e) => e.evaluate((e) => e.matches('.error')));
  if (again) {
    await page.waitForTimeout(30000 - Date.now() % 30000 + 500);
    await page.fill('input[name="password"]', password);
    await page.fill('input[name="code"]', authenticator(secret));
    await send('form[action="/login"] button');
  }
  await page.waitForSelector('a.tile');
});

await steps.take('no page did what it must not', async () => {
  // Refused forms answer 403 or 422, which Chromium notes in its console by itself.
  offences.consoleErrors = offences.consoleErrors.filter((e) => !/status of (422|401|403|429)/.test(e));
  return offences.check();
});

await browser.close();
process.exitCode = steps.failed ? 1 : 0;
