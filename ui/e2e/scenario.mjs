// What a newcomer does with the demo: log in, look at the live picture, look at
// what was recorded, seek, save a clip. Started by e2e_test.go, which gives all
// it needs in the environment and reads a line of JSON for each step.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Offences, Steps, launch, must } from './browser.mjs';

const { LARES_URL: base, LARES_USER: user, LARES_PASSWORD: password, LARES_CHROMIUM: chromium, LARES_OUT: out } = process.env;
const origin = new URL(base).origin;
const desktop = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
const recorded = 22; // seconds of recording that playback and export look at

mkdirSync(out, { recursive: true });
const browser = await launch(chromium);
const offences = new Offences(origin);
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: desktop, colorScheme: 'light', acceptDownloads: true });
await offences.watch(context);
const page = await context.newPage();
page.setDefaultTimeout(15000);
const steps = new Steps(async () => {
  await page.screenshot({ path: join(out, 'failed.png'), fullPage: true });
  const said = await page.locator('.say, [role="alert"], [data-part="clock"]').allInnerTexts();
  return `at ${page.url()}, which says: ${said.filter((s) => s.trim()).join(' | ')}\n${offences.report()}`;
});
let began = 0; // when the first picture was seen, ms since the epoch
let camera = ''; // the path of the camera's page

/** Waits until the video in an element plays and gives ms since start. @param {string} selector @param {number} start */
async function moving(selector, start) {
  // Two times that differ, not a flag: a frozen picture would have the flag too.
  return await page.evaluate(([selector, start]) => new Promise((resolve, reject) => {
    const give = setTimeout(() => reject(new Error(`the picture of ${selector} does not move: ${document.querySelector(selector)?.textContent}`)), 15000);
    let first = -1;
    const look = () => {
      const video = document.querySelector(`${selector} video`);
      if (video && video.readyState >= 2 && video.videoWidth > 0) {
        if (first < 0) first = video.currentTime;
        if (video.currentTime > first) {
          clearTimeout(give);
          resolve(Date.now() - start);
          return;
        }
      }
      requestAnimationFrame(look);
    };
    look();
  }), [selector, start]);
}

/** The time that the player shows, ms since the epoch. */
function shown() { return page.evaluate(() => document.querySelector('lares-player').now); }

/** Waits until the player shows a time from..to and goes on from there. @param {number} from @param {number} to */
async function plays(from, to) {
  await page.waitForFunction(([from, to]) => {
    const player = document.querySelector('lares-player');
    const video = player.querySelector('video');
    return video.readyState >= 2 && !video.seeking && player.now >= from && player.now <= to;
  }, [from, to]);
  const at = await shown();
  await page.waitForFunction((at) => document.querySelector('lares-player').now > at + 300, at);
  return at;
}

await steps.take('a page without a login shows the login', async () => {
  await page.goto(base);
  await page.waitForSelector('form[action="/login"]');
  must(await page.locator('lares-live, lares-player').count() === 0, 'there is a picture before the login');
});

await steps.take('log in', async () => {
  await page.fill('input[name="name"]', user);
  await page.fill('input[name="password"]', password);
  await page.click('form[action="/login"] button');
  await page.waitForSelector('a.tile[data-camera]');
});

await steps.take('the tile shows a live picture', async () => {
  const ms = await moving('a.tile lares-live', Date.now());
  began = Date.now();
  camera = await page.locator('a.tile').first().getAttribute('href');
  return `${ms} ms`;
});

await steps.take('the live picture of a camera moves soon after the click', async () => {
  const times = [];
  for (let i = 0; i < 3; i++) {
    await page.goto(base);
    await moving('a.tile lares-live', Date.now());
    const start = Date.now();
    await page.click('a.tile');
    times.push(await moving('dialog[open] lares-live', start));
  }
  times.sort((a, b) => a - b);
  return `${times.join(', ')} ms from the click`;
});

await steps.take('play what was recorded', async () => {
  await page.waitForTimeout(Math.max(0, began + recorded * 1000 - Date.now()));
  const wish = began + 4000;
  await page.goto(new URL(`${camera}?t=${wish}`, base).href);
  const at = await plays(wish - 500, wish + 5000);
  return `asked for ${wish - began} ms after the first picture, got ${at - began}`;
});

await steps.take('seek with the keyboard and on the time line', async () => {
  const before = await shown();
  await page.keyboard.press('ArrowRight');
  const after = await plays(before + 4000, before + 9000);
  await page.click('[data-range="300000"]');
  await page.waitForSelector('lares-timeline[data-ready]');
  const x = await page.evaluate((wish) => {
    const line = document.querySelector('lares-timeline');
    line.scrollIntoView({ block: 'center' });
    const box = line.getBoundingClientRect();
    line.addEventListener('lares-pick', (e) => { window.picked = e.detail.at; });
    return { at: (wish - line.from) / (line.to - line.from), left: box.left, width: box.width, y: box.top + 60, point: (line.to - line.from) / box.width };
  }, began + 6000);
  must(x.at >= 0 && x.at <= 1, 'the time line does not show what is played');
  await page.mouse.click(x.left + x.at * x.width, x.y);
  const beside = await page.evaluate((wish) => window.picked - wish, began + 6000);
  must(Math.abs(beside) <= 2 * x.point, `the click chose ${beside} ms beside the wish`);
  await plays(began + 5000, began + 25e3); // a slow machine looks late
  return `key: ${Math.round(after - before)} ms further; time line: ${Math.round(beside)} ms beside the wish`;
});

await steps.take('pause and step a frame', async () => {
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('k');
  await page.waitForFunction(() => !document.querySelector('lares-player').playing);
  const before = await shown();
  await page.keyboard.press('.');
  await page.waitForFunction((before) => {
    const player = document.querySelector('lares-player');
    const by = player.now - before; // the demo has 15 pictures a second
    return by > 0.05 && by < 70 && !player.querySelector('video').seeking;
  }, before);
  return `${Math.round(await shown() - before)} ms`;
});

await steps.take('save a clip', async () => {
  await page.click('[data-part="export"] summary');
  const [from, to] = [began + 3000, began + 15000];
  await page.evaluate(([from, to]) => {
    const local = (ms) => new Date(Math.floor(ms / 1000) * 1000 - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 19);
    const form = document.querySelector('[data-part="export-form"]');
    form.elements.from.value = local(from);
    form.elements.to.value = local(to);
    form.elements.to.dispatchEvent(new Event('input', { bubbles: true }));
  }, [from, to]);
  must(await page.evaluate(() => document.querySelector('lares-timeline').marked !== null), 'the time line does not show what is marked');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('[data-part="export-form"] button.primary')]);
  await download.saveAs(join(out, 'clip.mp4'));
  must(download.suggestedFilename().endsWith('.mp4'), `the file is called ${download.suggestedFilename()}`);
  return download.suggestedFilename();
});

await steps.take('pictures of the pages', async () => {
  const state = await context.storageState();
  for (const [name, viewport, deviceScaleFactor] of [['desktop', desktop, 1], ['phone', phone, 2]]) {
    for (const colorScheme of ['light', 'dark']) {
      const other = await browser.newContext({ ignoreHTTPSErrors: true, viewport, deviceScaleFactor, colorScheme, storageState: state });
      await offences.watch(other);
      const p = await other.newPage();
      for (const [where, path] of [['home', '/'], ['camera', camera]]) {
        await p.goto(new URL(path, base).href);
        await p.waitForSelector('lares-live[data-state="playing"]');
        await p.waitForTimeout(400); // the ruler is drawn when its answer is there
        await p.screenshot({ path: join(out, `${where}-${name}-${colorScheme}.png`) });
        const wide = await p.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        must(wide <= 0, `the ${where} page scrolls sideways by ${wide} pixels on the ${name}`);
      }
      await other.close();
    }
  }
});

await steps.take('after logging out nothing is shown', async () => {
  await page.goto(new URL('/account', base).href);
  await page.click('form[action="/logout"] button');
  await page.goto(new URL(camera, base).href);
  await page.waitForSelector('form[action="/login"]');
});

await steps.take('no page did what it must not', async () => offences.check());

await browser.close();
process.exitCode = steps.failed ? 1 : 0;
