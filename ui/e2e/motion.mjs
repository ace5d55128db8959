// What somebody does with motion: sees that something moves now, finds the event
// with its picture on both pages, plays it, searches in the picture, draws an
// area to ignore over everything and takes it away again. Started by
// motion_test.go, which gives all it needs in the environment and reads a line
// of JSON for each step.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Offences, Steps, launch, must } from './browser.mjs';

const { LARES_URL: base, LARES_USER: user, LARES_PASSWORD: password, LARES_CHROMIUM: chromium, LARES_OUT: out } = process.env;
const loop = 60e3; // ms after which the demo shows the same again
const lead = 5000; // ms before an event at which playing begins
const gop = 2000; // ms between key frames of the demo
const patient = { timeout: 100e3 }; // for what the demo shows once in a loop

mkdirSync(out, { recursive: true });
const browser = await launch(chromium);
const offences = new Offences(new URL(base).origin);
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
await offences.watch(context);
await context.addInitScript(() => {
  window.news = [];
  document.addEventListener('lares-happening', (e) => window.news.push({ ...e.detail, heard: Date.now() }));
});
const page = await context.newPage();
page.setDefaultTimeout(15000);
const steps = new Steps(async () => {
  await page.screenshot({ path: join(out, 'failed.png'), fullPage: true });
  const news = await page.evaluate(() => window.news.slice(-10));
  const said = await page.locator('.say, [role="alert"], [role="status"], [data-part="clock"]').allInnerTexts();
  return `at ${page.url()}, which says: ${said.filter((s) => s.trim()).join(' | ')}\nheard ${JSON.stringify(news)}\n${offences.report()}`;
});
let camera = ''; // the path of the camera's page
let event = null; // the first one, as the API tells it

/** Waits until the page says that something moves, or that nothing does. @param {boolean} wanted */
async function moves(wanted) {
  await page.waitForFunction((wanted) => {
    const stage = document.querySelector('[data-motion]');
    const words = stage?.querySelector('[data-part="moving"]');
    return stage?.hasAttribute('data-moving') === wanted && (words?.textContent === words?.dataset.text) === wanted;
  }, wanted, patient);
}

/** Waits for the picture of an event in a list and looks at what it is made of. @param {string} list */
async function thumbnail(list) {
  const img = page.locator(`${list} .event .thumb img`).first();
  await img.scrollIntoViewIfNeeded();
  return await img.evaluate(async (img) => {
    await img.decode();
    const got = await fetch(img.src);
    const head = new Uint8Array(await got.arrayBuffer()).slice(0, 3);
    return { width: img.naturalWidth, height: img.naturalHeight, type: got.headers.get('content-type'), head: [...head].join() };
  });
}

/** @param {Awaited<ReturnType<typeof thumbnail>>} got */
function mustBeJPEG(got) {
  must(got.type === 'image/jpeg' && got.head === '255,216,255' && got.width >= 160 && got.height >= 90, `the picture is ${JSON.stringify(got)}`);
  return `${got.width} x ${got.height}`;
}

/** The player's state, when it plays a time from..to. @param {number} from @param {number} to */
async function plays(from, to) {
  await page.waitForFunction(([from, to]) => {
    const player = document.querySelector('lares-player');
    const video = player?.querySelector('video');
    return video && video.readyState >= 2 && !video.seeking && player.now >= from && player.now <= to;
  }, [from, to]);
  return await page.evaluate(() => document.querySelector('lares-player').now);
}

await steps.take('log in', async () => {
  await page.goto(base);
  await page.fill('input[name="name"]', user);
  await page.fill('input[name="password"]', password);
  await page.click('form[action="/login"] button');
  await page.waitForSelector('a.tile[data-camera]');
  camera = await page.locator('a.tile').first().getAttribute('href');
});

await steps.take('the page says at once that something moves', async () => {
  await page.goto(new URL(camera, base).href);
  await moves(true);
});

await steps.take('what moved is listed with a picture beside the player', async () => {
  await moves(false);
  await page.waitForSelector('.dayevents .event');
  return mustBeJPEG(await thumbnail('.dayevents'));
});

await steps.take('it is on the page of events with a picture', async () => {
  event = await page.evaluate(async (id) => {
    const got = await (await fetch(`/api/v1/events?camera=${id}`)).json();
    return got.events.at(-1);
  }, camera.split('/').pop());
  await page.goto(new URL('/events', base).href);
  await page.waitForSelector('.eventlist .event');
  const size = mustBeJPEG(await thumbnail('.eventlist'));
  return `${size}, ${(event.end - event.start) / 1000} s, ${event.path.length} places`;
});

await steps.take('a click plays it from 5 s before', async () => {
  await page.locator('.eventlist a.event').last().click();
  const wish = event.start - lead;
  must(new URL(page.url()).searchParams.get('t') === String(wish), `the click leads to ${page.url()}, the event began at ${event.start}`);
  await page.waitForSelector('lares-player:not([hidden])');
  const first = await page.evaluate(async ([from, to]) => {
    const got = await (await fetch(`/api/v1${location.pathname}/timeline?from=${from}&to=${to}`)).json();
    return got.spans[0][0];
  }, [event.start - 60e3, event.start]);
  // The demo began to be recorded only a moment before its first event.
  const from = Math.max(wish, first);
  const at = await plays(from - gop, from + 4000);
  must(at < event.start + 1000, `it plays from ${at - event.start} ms after the start of the event`);
  return `${Math.round(event.start - at)} ms before the event, recorded since ${event.start - first} ms before it`;
});

await steps.take('searching where somebody was finds it', async () => {
  await page.click('[data-action="search"]');
  await page.waitForSelector('.search-box');
  const [, x, y, w, h] = event.path[event.path.length >> 1];
  const picture = await page.evaluate(() => {
    const video = document.querySelector('lares-player video');
    const box = video.getBoundingClientRect();
    const width = Math.min(box.width, box.height * video.videoWidth / video.videoHeight);
    const height = width * video.videoHeight / video.videoWidth;
    return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height };
  });
  await page.mouse.move(picture.left + x * picture.width, picture.top + y * picture.height);
  await page.mouse.down();
  await page.mouse.move(picture.left + (x + w) * picture.width, picture.top + (y + h) * picture.height, { steps: 4 });
  await page.mouse.up();
  await page.waitForSelector('[data-part="search-spans"] button');
  const found = page.locator('[data-part="search-spans"] button');
  const n = await found.count();
  await found.first().click();
  const at = await plays(event.start - lead - gop, event.end + gop);
  return `${n} times, the first one plays ${Math.round((at - event.start) / 1000)} s after the start`;
});

await steps.take('searching in a corner of the sky finds nothing', async () => {
  for (const [name, value] of [['x', '0'], ['y', '0'], ['w', '12'], ['h', '12']]) await page.fill(`[data-part="search-form"] input[name="${name}"]`, value);
  await page.click('[data-part="search-form"] button.primary');
  await page.waitForFunction(() => document.querySelector('[data-part="search-said"]').textContent.startsWith('Nothing'));
  must(await page.locator('[data-part="search-spans"] button').count() === 0, 'times are listed although nothing was found');
});

/** Saves the settings of the camera and looks whether they hold so many areas. @param {number} zones */
async function save(zones) {
  await page.click('form[action$="/settings"] button.primary:not([type])');
  await page.waitForLoadState();
  await page.goto(new URL(`${camera}/settings`, base).href);
  const kept = JSON.parse(await page.inputValue('lares-zones [data-part="value"]'));
  must(kept.length === zones, `${kept.length} areas are kept, not ${zones}`);
}

await steps.take('an area to ignore over everything lets nothing begin', async () => {
  await page.goto(new URL(`${camera}/settings`, base).href);
  await page.click('lares-zones [data-action="ignore"]');
  const round = 5; // px: the corners of the picture are round
  const plate = await page.locator('lares-zones [data-part="plate"]').boundingBox();
  for (const [x, y] of [[round, round], [plate.width - round, round], [plate.width - round, plate.height - round], [round, plate.height - round]]) {
    await page.mouse.click(plate.x + x, plate.y + y);
  }
  await page.click('lares-zones [data-action="done"]');
  await save(1);
  await page.goto(new URL(camera, base).href);
  await moves(false); // what was going on ends
  const quiet = Date.now();
  // Somebody walks in this part of the loop, as the first event shows.
  const [first, last] = [4000, Math.min(event.end - event.start, 30e3) - 6000];
  for (let phase = -1; phase < first || phase > last || Date.now() - quiet < 6000; phase = (Date.now() - event.start) % loop) {
    await page.waitForTimeout(250);
  }
  const begun = await page.evaluate((quiet) => window.news.filter((n) => n.kind === 'motion' && n.heard > quiet), quiet);
  must(begun.length === 0, `began in spite of it: ${JSON.stringify(begun)}`);
  return `${Math.round((Date.now() - quiet) / 1000)} s`;
});

await steps.take('without it something moves again', async () => {
  await page.goto(new URL(`${camera}/settings`, base).href);
  await page.locator('lares-zones [data-part="zones"] button').first().click();
  await save(0);
  await page.goto(new URL(camera, base).href);
  await moves(true);
});

await steps.take('no page did what it must not', async () => offences.check());

await browser.close();
process.exitCode = steps.failed ? 1 : 0;
