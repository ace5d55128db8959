// Visits a page with a live picture again and again and writes how long each
// took to show the first picture. What to visit comes from live.go.
const { BENCH_DRIVER: driver, BENCH_CHROMIUM: chromium, BENCH_URL: base, BENCH_FLOOR: floor, BENCH_USER: user, BENCH_PASSWORD: password, BENCH_VISITS: visits } = process.env;
const { launch } = await import(driver);

const browser = await launch(chromium);
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } });
await context.addInitScript(() => {
  // The time at which the first picture of the page is shown, ms since the navigation began.
  window.firstPicture = new Promise((resolve) => {
    const wait = () => {
      const video = document.querySelector('lares-live video, video#floor');
      if (!video) return requestAnimationFrame(wait);
      video.requestVideoFrameCallback((now, frame) => resolve({ shown: frame.expectedDisplayTime, media: frame.mediaTime }));
    };
    wait();
  });
  // When the live picture was asked for, and what time of the camera it begins at.
  const real = window.fetch;
  window.fetch = async (...args) => {
    const asked = performance.now();
    const answer = await real(...args);
    const start = answer.headers.get('X-Lares-Start');
    if (start) Object.assign(window, { asked, startOfMedia: Number(start) / 90 });
    return answer;
  };
});
const page = await context.newPage();
page.setDefaultTimeout(15000);
await page.goto(base);
await page.fill('input[name="name"]', user);
await page.fill('input[name="password"]', password);
await page.click('form[action="/login"] button');
await page.waitForSelector('a.tile[data-camera]');
const camera = new URL(await page.locator('a.tile').first().getAttribute('href'), base).href;

/** How late each picture is that is shown in the next ms of this page, ms. */
const lateness = (ms) => page.evaluate((ms) => new Promise((resolve) => {
  const video = document.querySelector('lares-live video, video#floor');
  const all = [];
  const end = performance.now() + ms;
  const look = (now, frame) => {
    const made = window.due ? window.due[Math.round(frame.mediaTime * 15)] : window.startOfMedia + frame.mediaTime * 1000 - performance.timeOrigin;
    all.push(frame.expectedDisplayTime - made);
    if (performance.now() < end) return video.requestVideoFrameCallback(look);
    resolve(all);
  };
  video.requestVideoFrameCallback(look);
}), ms);

const result = { lares: [], request: [], floor: [], glass: [], begin: [], glassFloor: [] };
for (let i = 0; i <= Number(visits); i++) {
  // The phase in the group of pictures is another one each time.
  await page.waitForTimeout((i * 370) % 2000);
  await page.goto(camera);
  const { shown } = await page.evaluate(() => window.firstPicture);
  const asked = await page.evaluate(() => window.asked);
  const long = i % 3 === 1;
  if (long) {
    result.begin.push(...await lateness(2000));
    result.glass.push(...await lateness(3000));
  }
  await page.goto(floor);
  const bare = await page.evaluate(() => window.firstPicture);
  if (long) {
    await page.goto(`${floor}glass`);
    await page.evaluate(() => window.firstPicture);
    await page.waitForTimeout(1000);
    result.glassFloor.push(...await lateness(3000));
  }
  if (i === 0) continue; // the caches fill
  result.lares.push(shown);
  result.request.push(shown - asked);
  result.floor.push(bare.shown);
}
process.stdout.write(JSON.stringify(result));
await browser.close();
