// Privacy mode as it is now: what the page was made with, and what the box says
// since. A private camera's live picture is taken away and says why.
import { short, t } from './text.js';

/** @typedef {{camera: string, on: boolean, since?: number, until?: number, by?: string, house?: boolean}} Private */

/** @type {Map<string, Private>} what is private, by camera; the house under '' */
const states = new Map();
for (const state of JSON.parse(document.getElementById('lares-private')?.textContent ?? '[]')) states.set(state.camera, state);

/** Why there is no picture of a camera; null if it is not private. @param {string | null} camera */
export function privateWords(camera) {
  const state = states.get(camera ?? '');
  if (!state) return null;
  const until = state.until ? t('js.private_until', { time: short(state.until) }) : t('js.private_lifted');
  return [t(state.house ? 'js.private_house' : 'js.private', { time: short(state.since ?? 0) }), state.by, until].filter(Boolean).join(' · ');
}

/** Puts the page right. @param {string} camera */
function show(camera) {
  const words = privateWords(camera);
  for (const live of document.querySelectorAll(`lares-live[camera="${camera}"]`)) {
    if (words) live.setAttribute('private', words);
    else live.removeAttribute('private');
  }
  for (const line of document.querySelectorAll(`[data-privacy-line="${camera}"]`)) line.textContent = words ?? t('js.private_not');
  for (const button of document.querySelectorAll(`[data-privacy-button="${camera}"]`)) button.toggleAttribute('data-private', words !== null);
  const house = states.get(camera)?.house ?? false;
  for (const form of document.querySelectorAll(`[data-privacy-lift="${camera}"]`)) form.toggleAttribute('hidden', !words || house);
  for (const form of document.querySelectorAll(`[data-privacy-house="${camera}"]`)) form.toggleAttribute('hidden', !house);
}

/** @param {Private} state */
function take(state) {
  if (state.on) states.set(state.camera, state);
  else states.delete(state.camera);
  show(state.camera);
}

/** Follows what the box says, and the page with it. */
export function watchPrivacy() {
  for (const live of document.querySelectorAll('lares-live')) show(live.getAttribute('camera') ?? '');
  document.addEventListener('lares-happening', (e) => {
    const news = /** @type {CustomEvent} */ (e).detail;
    if (news.kind === 'privacy') take(news.private[0]);
    if (news.kind !== 'now') return;
    const now = new Set((news.private ?? []).map((/** @type {Private} */ p) => p.camera));
    for (const camera of states.keys()) if (!now.has(camera)) take({ camera, on: false });
    for (const state of news.private ?? []) take(state);
  });
}
