// What happens in the house, told by the box as it happens: one stream for the
// page. What moves is shown where the page has [data-motion="camera"]; other
// modules listen for 'lares-happening' on the document.
import { layOver, pictureRect } from './picture.js';

const shown = 3000; // ms for which the box around a moving thing stands
const again = 10e3; // ms until a stream that was refused is asked for again

/** @type {EventSource | null} */
let source = null;
/** @type {Map<string, number>} timers of the boxes by camera */
const timers = new Map();

/** @param {string} camera @param {boolean} moves @param {import('./picture.js').Box} [box] */
function show(camera, moves, box) {
  clearTimeout(timers.get(camera));
  for (const host of document.querySelectorAll(`[data-motion="${camera}"]`)) {
    host.toggleAttribute('data-moving', moves);
    const words = /** @type {HTMLElement | null} */ (host.querySelector('[data-part="moving"]'));
    const said = moves ? words?.dataset.text ?? '' : '';
    if (words && words.textContent !== said) words.textContent = said;
    const glow = /** @type {HTMLElement | null} */ (host.querySelector('[data-part="glow"]'));
    if (!glow) continue;
    glow.hidden = !moves || !box || box[2] <= 0;
    if (!glow.hidden && box) layOver(glow, pictureRect(host), box);
  }
  // The thing goes on, the box does not follow it.
  if (moves) timers.set(camera, window.setTimeout(() => hideBoxes(camera), shown));
}

/** @param {string} camera */
function hideBoxes(camera) {
  for (const glow of document.querySelectorAll(`[data-motion="${camera}"] [data-part="glow"]`)) glow.setAttribute('hidden', '');
}

/** @param {any} news */
function hear(news) {
  if (news.kind === 'now') {
    const moving = new Map((news.moving ?? []).map((/** @type {any} */ m) => [m.camera, m.box]));
    const cameras = new Set([...document.querySelectorAll('[data-motion]')].map((el) => el.getAttribute('data-motion') ?? ''));
    for (const camera of cameras) show(camera, moving.has(camera), moving.get(camera));
  }
  if (news.kind === 'motion') show(news.camera, true, news.box);
  if (news.kind === 'motion-ended') show(news.camera, false);
  document.dispatchEvent(new CustomEvent('lares-happening', { detail: news }));
}

function listen() {
  if (document.visibilityState !== 'visible') {
    source?.close();
    source = null;
    return;
  }
  if (source) return;
  source = new EventSource('/api/v1/happenings');
  source.addEventListener('message', (e) => hear(JSON.parse(e.data)));
  source.addEventListener('error', () => {
    // A stream that broke off is asked for again by the browser, a refused one is not.
    if (source?.readyState !== EventSource.CLOSED) return;
    source = null;
    setTimeout(listen, again);
  });
}

/** Listens while the page is seen, if it shows what happens. */
export function watchHappenings() {
  if (!document.querySelector('[data-motion], lares-events')) return;
  document.addEventListener('visibilitychange', listen);
  addEventListener('pagehide', () => { source?.close(); source = null; });
  addEventListener('pageshow', listen);
  listen();
}
