// Many cameras at once, and one of which every picture tells its number: the
// wall, the time line, single pictures, speed, gaps, keys, and what a screen
// reader finds. Started by wall_test.go, which gives all it needs in the
// environment and reads a line of JSON for each step.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Offences, Steps, launch, must } from './browser.mjs';

const { LARES_URL: base, LARES_USER: user, LARES_PASSWORD: password, LARES_CHROMIUM: chromium, LARES_OUT: out } = process.env;
const tiles = Number(process.env.LARES_TILES);
const picture = 50; // ms of a numbered picture
const pictures = 400; // of the clip
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

mkdirSync(out, { recursive: true });
const browser = await launch(chromium);
const offences = new Offences(new URL(base).origin);
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
await offences.watch(context);
const page = await context.newPage();
page.setDefaultTimeout(20000);
const steps = new Steps(async () => {
  await page.screenshot({ path: join(out, 'failed.png'), fullPage: true });
  const said = await page.locator('.say, [role="alert"], [data-part="clock"]').allInnerTexts();
  return `at ${page.url()}, which says: ${said.filter((s) => s.trim()).join(' | ')}\n${offences.report()}`;
});
const connections = new Set(); // that brought live pictures
const network = await context.newCDPSession(page);
await network.send('Network.enable');
network.on('Network.responseReceived', ({ response }) => {
  if (response.url.includes('/api/v1/live/')) connections.add(`${response.protocol} ${response.connectionId}`);
});
let numbers = ''; // the path of the page of the camera with the numbers
let timeline = { spans: [], gaps: [] };
const go = (path) => page.goto(new URL(path, base).href);
const key = (k) => page.keyboard.press(k);

/** The number in the bars of the picture that is shown; -1 for none. */
const number = () => page.evaluate(() => {
  const video = document.querySelector('lares-player:not([hidden]) video');
  const canvas = document.createElement('canvas');
  canvas.width = 640;
  canvas.height = 360;
  const g = canvas.getContext('2d');
  g.drawImage(video, 0, 0, 640, 360);
  const row = g.getImageData(0, 30, 640, 1).data;
  return Array.from({ length: 12 }, (_, i) => (row[4 * (48 * i + 24)] > 128 ? 2 ** i : 0)).reduce((a, b) => a + b);
});

/** Waits until the picture of the player's time is on the screen. */
const rest = () => page.waitForFunction((picture) => {
  const video = document.querySelector('lares-player video');
  if (!window.onScreen) {
    window.onScreen = { at: -1 };
    const each = (_, { mediaTime }) => {
      window.onScreen.at = mediaTime;
      video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
    video.currentTime += 0; // shows it once more
  }
  const behind = video.currentTime - window.onScreen.at;
  return video.readyState >= 2 && !video.seeking && behind > -0.001 && behind < 1.5 * picture / 1000;
}, picture);

/** Shows a time of the camera with the numbers. @param {number} at */
async function show(at) {
  await page.evaluate((at) => document.querySelector('lares-camera').pick(at, true, false), at);
  await page.waitForFunction((at) => {
    const player = document.querySelector('lares-player');
    const video = player.querySelector('video');
    return video.readyState >= 2 && !video.seeking && Math.abs(player.now - at) < 100;
  }, at);
  await rest();
}

await steps.take('log in', async () => {
  await go('/login');
  await page.fill('input[name="name"]', user);
  await page.fill('input[name="password"]', password);
  await page.click('form[action="/login"] button');
  await page.waitForSelector('a.tile[data-camera]');
  numbers = await page.locator('a.tile', { hasText: 'Numbers' }).getAttribute('href');
});

await steps.take('all tiles play over one connection', async () => {
  const start = Date.now();
  await page.waitForFunction((n) => document.querySelectorAll('a.tile lares-live[data-state="playing"]').length === n, tiles);
  const ms = Date.now() - start;
  await page.waitForFunction(() => [...document.querySelectorAll('a.tile video')].every((v) => v.currentTime > 0));
  must(connections.size === 1 && [...connections][0].startsWith('h2'), `live pictures came over ${[...connections]}`);
  return `${tiles} tiles after ${ms} ms`;
});

await steps.take('a click shows one alone and the wall goes on behind it', async () => {
  const times = () => page.evaluate(() => [...document.querySelectorAll('a.tile video')].map((v) => v.currentTime));
  const start = Date.now();
  await page.locator('a.tile').first().click();
  await page.waitForSelector('dialog.alone[open] lares-live[data-state="playing"]');
  const ms = Date.now() - start;
  const before = await times();
  await page.waitForTimeout(600);
  const after = await times();
  must(after.every((t, i) => t > before[i]), `the wall stood still: ${before} to ${after}`);
  await key('Escape');
  await page.waitForSelector('dialog.alone', { state: 'hidden' });
  must((await times()).every((t, i) => t >= after[i]), 'the tiles began anew');
  must(await page.evaluate(() => document.activeElement.matches('a.tile')), 'the focus is not at the tile again');
  return `${ms} ms`;
});

await steps.take('tiles off the screen stop', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForFunction(() => document.querySelectorAll('a.tile video[src]').length <= 6);
  const n = await page.locator('a.tile video[src]').count();
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.waitForFunction((n) => document.querySelectorAll('a.tile video[src]').length === n, tiles);
  return `${n} of ${tiles} on a phone`;
});

await steps.take('several cameras play in step', async () => {
  await page.click('[data-action="recordings"]');
  await page.waitForSelector('lares-timeline[data-ready]');
  await page.evaluate(() => document.querySelector('lares-wall').pick(Date.now() - 12e3, true));
  await page.waitForFunction((n) => [...document.querySelectorAll('lares-player:not([data-hole]) video')].filter((v) => v.readyState >= 3 && !v.paused).length >= n - 1, tiles);
  await page.waitForTimeout(1500);
  const spread = await page.evaluate(async () => {
    let most = 0;
    for (let i = 0; i < 10; i++) {
      const times = [...document.querySelectorAll('lares-player:not([data-hole])')].map((p) => p.now);
      most = Math.max(most, Math.max(...times) - Math.min(...times));
      await new Promise((done) => setTimeout(done, 100));
    }
    return most;
  });
  must(spread < 1000, `they are ${spread} ms apart`);
  await page.screenshot({ path: join(out, 'wall-past.png') });
  return `at most ${Math.round(spread)} ms apart`;
});

await steps.take('a step is exactly one picture, both ways', async () => {
  await go(numbers);
  const id = numbers.split('/').pop();
  timeline = await page.evaluate(async (id) => (await fetch(`/api/v1/cameras/${id}/timeline?from=${Date.now() - 600e3}&to=${Date.now()}`)).json(), id);
  must(timeline.spans.length >= 2, `the footage has ${timeline.spans.length} spans`);
  const wrong = [];
  // From 0.3 s before a key frame on, over it, over the edge of a fragment and back.
  await show(timeline.spans[0][0] + 3700);
  let last = await number();
  for (const way of [...Array(24).fill(1), ...Array(30).fill(-1)]) {
    await page.evaluate((way) => document.querySelector('lares-player').step(way), way);
    await rest();
    const n = await number();
    if (n !== (last + way + pictures) % pictures) wrong.push(`${last} to ${n}`);
    last = n;
  }
  must(wrong.length === 0, `wrong steps: ${wrong}`);
  return '24 on, 30 back';
});

await steps.take('the wheel zooms around the pointer', async () => {
  const line = page.locator('lares-timeline');
  await page.waitForSelector('lares-timeline[data-ready]');
  await line.scrollIntoViewIfNeeded();
  const box = await line.boundingBox();
  const x = Math.round(box.x + 0.7 * box.width);
  const under = () => page.evaluate((part) => {
    const l = document.querySelector('lares-timeline');
    return { at: l.from + part * (l.to - l.from), range: l.to - l.from };
  }, (x - box.x) / box.width);
  await page.mouse.move(x, box.y + 60);
  const before = await under();
  for (let i = 0; i < 40; i++) await page.mouse.wheel(0, -120);
  await page.waitForFunction(() => document.querySelector('lares-timeline').to - document.querySelector('lares-timeline').from <= 30e3 + 1);
  const near = await under();
  must(Math.abs(near.at - before.at) < 1000, `the time under the pointer moved by ${near.at - before.at} ms`);
  for (let i = 0; i < 80; i++) await page.mouse.wheel(0, 120);
  await page.waitForFunction(() => document.querySelector('lares-timeline').to - document.querySelector('lares-timeline').from >= 30 * 86400e3 - 1);
  return `${before.range / 3600e3} h to 30 s to 30 days`;
});

await steps.take('dragging shows key frames on the way', async () => {
  const [from, to] = timeline.spans[0];
  const box = await page.evaluate(([from, to]) => {
    const l = document.querySelector('lares-timeline');
    l.follow = false;
    l.show(from - 2000, to + 2000);
    l.scrollIntoView({ block: 'center' });
    const b = l.getBoundingClientRect();
    window.painted = [];
    const video = document.querySelector('lares-player video');
    const each = (now) => { window.painted.push(now); video.requestVideoFrameCallback(each); };
    video.requestVideoFrameCallback(each);
    const x = (at) => b.left + b.width * (at - l.from) / (l.to - l.from);
    return { a: x(from + 500), b: x(to - 500), y: b.top + 60 };
  }, [from, to]);
  await page.mouse.move(box.a, box.y);
  await page.mouse.down();
  const waits = [];
  for (let i = 1; i <= 8; i++) {
    const asked = await page.evaluate(() => performance.now());
    await page.mouse.move(box.a + (box.b - box.a) * i / 8, box.y);
    const ms = await page.waitForFunction((asked) => { const p = window.painted.find((t) => t > asked); return p ? p - asked : 0; }, asked, { timeout: 3000 })
      .then((h) => h.jsonValue(), () => NaN);
    waits.push(Math.round(ms));
  }
  await page.mouse.up();
  await rest();
  const shown = waits.filter((w) => !Number.isNaN(w));
  must(shown.length >= 3, `pictures came after ${waits} ms`);
  return `pictures after ${waits} ms`;
});

await steps.take('play from a random point', async () => {
  const [from, to] = timeline.spans[0];
  const waits = [];
  for (const part of [0.61, 0.13, 0.87, 0.42]) {
    const ms = await page.evaluate(async (at) => {
      const video = document.querySelector('lares-player video');
      const start = performance.now();
      document.querySelector('lares-camera').pick(at, true);
      await new Promise((done) => {
        const each = (now, { mediaTime }) => {
          const player = document.querySelector('lares-player');
          if (Math.abs(player.now - at) < 3000 && !video.paused && mediaTime > 0 && !video.seeking) done(now);
          else video.requestVideoFrameCallback(each);
        };
        video.requestVideoFrameCallback(each);
      });
      return performance.now() - start;
    }, from + part * (to - from));
    waits.push(Math.round(ms));
  }
  return `${waits} ms`;
});

await steps.take('a gap is skipped and nothing of it is shown', async () => {
  const [[, end], [start]] = timeline.spans;
  await page.evaluate(([end]) => {
    window.shown = [];
    const player = document.querySelector('lares-player');
    player.addEventListener('lares-time', (e) => { if (!player.querySelector('video').seeking) window.shown.push(e.detail); });
    document.querySelector('lares-camera').pick(end - 2500, true);
  }, [end]);
  await page.waitForFunction((start) => document.querySelector('lares-player').now > start + 500, start);
  const inside = await page.evaluate(([end, start]) => window.shown.filter((at) => at > end + 300 && at < start - 300), [end, start]);
  must(inside.length === 0, `${inside.length} times within the gap were shown`);
  const cause = await page.evaluate((at) => document.querySelector('lares-timeline').gapAt(at)?.cause, (end + start) / 2);
  must(cause === 'camera-offline', `the gap says ${cause}`);
  return `${start - end} ms: ${cause}`;
});

await steps.take('16 times as fast', async () => {
  const [from] = timeline.spans[0];
  await show(from + 500);
  await page.selectOption('[data-part="speed"]', '16');
  const rate = await page.evaluate(async () => {
    const player = document.querySelector('lares-player');
    player.play();
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));
    while (player.querySelector('video').seeking || player.querySelector('video').paused) await wait(20);
    const [at, began] = [player.now, performance.now()];
    while (player.now < at + 9000) await wait(10);
    const rate = (player.now - at) / (performance.now() - began);
    player.pause();
    return rate;
  });
  return `${rate.toFixed(1)} times`;
});

await steps.take('keys do what the list of keys says', async () => {
  const [from] = timeline.spans[0];
  await page.selectOption('[data-part="speed"]', '1');
  await show(from + 3000);
  await page.evaluate(() => document.activeElement.blur());
  const now = () => page.evaluate(() => document.querySelector('lares-player').now);
  await page.evaluate(() => document.querySelector('lares-player').step(1)); // to where a picture begins
  const at = await now();
  await key('.');
  await page.waitForFunction(([at, picture]) => Math.abs(document.querySelector('lares-player').now - at - picture) < picture / 2, [at, picture]);
  await key('[');
  await show(from + 7000);
  await key(']');
  const marked = await page.evaluate(() => document.querySelector('lares-timeline').marked);
  must(marked && marked[1] - marked[0] >= 3000 && marked[1] - marked[0] <= 5000, `marked ${marked}`);
  await key('l');
  must(await page.inputValue('[data-part="speed"]') === '2', 'L is not faster');
  await key('j');
  await key('z');
  must(await page.locator('[data-part="stage"][data-zoomed]').count() === 1, 'Z does not enlarge');
  await key('0');
  await key('?');
  await page.waitForSelector('dialog[data-part="keys"][open]');
  await key('Escape');
  await page.locator('lares-timeline').focus();
  const before = await now();
  await key('ArrowLeft');
  await page.waitForFunction((before) => document.querySelector('lares-player').now < before - 500, before);
  const spoken = await page.locator('lares-timeline').getAttribute('aria-valuetext');
  must(/\d\d:\d\d/.test(spoken), `the time line says ${spoken}`);
  await page.evaluate(() => document.activeElement.blur());
  await key('g');
  await page.waitForURL(/\/\?t=\d+$/);
  await key('1');
  await page.waitForURL(/\/cameras\//);
});

await steps.take('both hours of an autumn night are named', async () => {
  const amsterdam = await browser.newContext({ ignoreHTTPSErrors: true, timezoneId: 'Europe/Amsterdam', storageState: await context.storageState() });
  const p = await amsterdam.newPage();
  await p.goto(new URL('/events', base).href);
  const labels = await p.evaluate(async () => {
    const { ticks } = await import(document.querySelector('script[type="module"]').src.replace('app.js', 'ruler.js'));
    const night = Date.UTC(2026, 9, 24, 22); // midnight there
    return ticks(night, night + 5 * 3600e3, 3600e3).map((m) => m.label);
  });
  await amsterdam.close();
  const twice = labels.filter((l) => l.startsWith('02:00'));
  must(twice.length === 2 && twice[0] !== twice[1], `the marks are ${labels}`);
  return labels.join(', ');
});

await steps.take('nothing moves by itself for who wants less motion', async () => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  for (const path of ['/', numbers]) {
    await go(path);
    await page.waitForSelector('lares-live[data-state="playing"]');
    const n = await page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length);
    must(n === 0, `${n} animations run on ${path}`);
  }
  await page.emulateMedia({ reducedMotion: 'no-preference' });
});

await steps.take('no page has a serious fault of accessibility', async () => {
  const faults = [];
  const looked = new Set();
  const id = numbers.split('/').pop();
  const pages = ['/', '/kiosk', numbers, `${numbers}?t=${timeline.spans[0][0] + 2000}`, `${numbers}/settings`, '/events', '/log', '/people', '/people/new', '/account', '/cameras/new', '/help/certificate',
    ...['share', 'keep', 'delete'].map((what) => `/cameras/${id}/${what}?from=${timeline.spans[0][0]}&to=${timeline.spans[0][1]}`), '/links', '/keeps', '/delete', '/privacy', '/protect', '/homekit', '/welcome', '/account/factor', '/unlock', '/prove?next=/', `${numbers}/masks`, `${numbers}/homekit`];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const path of pages) {
      const answer = await go(path);
      if (answer.status() >= 400) continue; // an error page, not this one
      looked.add(path);
      await page.waitForTimeout(250);
      if (path === numbers) await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true; });
      await page.evaluate(axe);
      const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations
        .filter((v) => v.impact === 'serious' || v.impact === 'critical')
        .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join('; ')}`));
      faults.push(...found.map((f) => `${colorScheme} ${path}: ${f}`));
    }
  }
  must(faults.length === 0, faults.join('\n'));
  return `${looked.size} pages, light and dark: ${[...looked].join(' ').replaceAll(id, 'ID')}`;
});

await steps.take('no page did what it must not', async () => offences.check());

await browser.close();
process.exitCode = steps.failed ? 1 : 0;
