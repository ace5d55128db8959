// Where a browser cannot play a live picture, it shows stills of it: the newest
// key frame, asked for again and again while somebody can see it.
import { ask, randomID, sleep } from './api.js';
import { supported } from './mse.js';

const every = 2000; // ms
const patience = 15e3; // ms after an answer that failed

/** @param {HTMLElement} live a <lares-live> that gave up */
async function show(live) {
  const img = document.createElement('img');
  img.alt = '';
  img.className = 'still';
  live.append(img);
  live.dataset.still = '';
  const view = randomID(); // one line in the record of who looked
  while (live.isConnected && live.dataset.state !== 'playing') {
    const seen = document.visibilityState === 'visible' && live.offsetParent && !live.hasAttribute('paused');
    let wait = every;
    if (seen) wait = await refresh(live, img, view);
    await sleep(wait);
  }
  img.remove();
  delete live.dataset.still;
}

/** @param {HTMLElement} live @param {HTMLImageElement} img @param {string} view */
async function refresh(live, img, view) {
  try {
    const answer = await ask(`/api/v1/cameras/${live.getAttribute('camera')}/still.jpg?width=${Math.min(1920, Math.ceil(live.clientWidth * devicePixelRatio))}&view=${view}`);
    const url = URL.createObjectURL(await answer.blob());
    const before = img.src;
    img.src = url;
    await img.decode().catch(() => {});
    if (before) URL.revokeObjectURL(before);
    return every;
  } catch {
    return patience;
  }
}

/** Looks after the live pictures of the page. */
export function watchLive() {
  const look = (/** @type {Element} */ el) => {
    const live = /** @type {HTMLElement} */ (el);
    const gaveUp = live.dataset.state === 'refused' || (!supported && live.dataset.state === 'waiting');
    if (gaveUp && !('still' in live.dataset)) show(live);
  };
  const watch = new MutationObserver((changes) => changes.forEach((c) => look(/** @type {Element} */ (c.target))));
  for (const live of document.querySelectorAll('lares-live')) {
    watch.observe(live, { attributeFilter: ['data-state'] });
    look(live);
  }
}
