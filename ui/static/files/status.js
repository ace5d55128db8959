// Keeps the sentences about recording true while a page is open: it looks at
// once when the box says that something changed, and now and then anyway.
import { json } from './api.js';
import { short, t } from './text.js';

const every = 3000; // ms
const telling = ['camera-up', 'camera-down', 'camera-changed', 'recording-up', 'recording-down'];

/** @param {{recording: boolean, starting?: boolean, waits?: boolean, since: number, cause: string}} r @param {HTMLElement} line */
function show(r, line) {
  line.dataset.state = r.recording ? 'on' : r.cause === 'privacy' ? 'private' : r.waits ? 'waits' : r.starting ? 'starting' : 'off';
  const cause = t(`cause.${r.cause || 'unknown'}`);
  const said = r.recording ? t('state.recording') : r.cause === 'privacy' ? t('state.private', { time: short(r.since) })
    : r.waits ? t('state.waits') : r.starting ? t('state.starting') : r.since ? t('state.not_since', { time: short(r.since), cause }) : t('state.not', { cause });
  const words = line.lastElementChild;
  if (words && words.textContent !== said) words.textContent = said;
}

async function look() {
  if (document.visibilityState !== 'visible') return;
  const got = await json('/api/v1/cameras').catch(() => null);
  for (const camera of got?.cameras ?? []) {
    for (const line of document.querySelectorAll(`[data-camera="${camera.id}"] .state`)) {
      show(camera.recording, /** @type {HTMLElement} */ (line));
    }
  }
}

/** Starts looking, if the page shows a camera. */
export function watchStatus() {
  if (!document.querySelector('[data-camera] .state')) return;
  setInterval(look, every);
  document.addEventListener('visibilitychange', look);
  document.addEventListener('lares-happening', (e) => {
    if (telling.includes(/** @type {CustomEvent} */ (e).detail.kind)) look();
  });
}
