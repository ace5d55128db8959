// Events as the box lists them, and how one is shown.
import { json } from './api.js';
import { hms, short, t } from './text.js';

/**
 * One event. Times are ms since the epoch.
 * @typedef {{id: string, camera: string, kind: string, start: number, end: number, thumbnail?: string}} Stored
 */

/** ms before an event at which playing begins */
export const lead = 5000;

/**
 * One page of events, newest first.
 * @param {Record<string, string | number>} wish @param {AbortSignal} [signal]
 * @returns {Promise<{events: Stored[], next: string}>}
 */
export function events(wish, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(wish)) if (value !== '') query.set(name, String(value));
  return json(`/api/v1/events?${query}`, signal);
}

/** How long something took. @param {number} ms */
export function duration(ms) {
  const all = Math.max(1, Math.round(ms / 1000));
  return all < 60 ? t('js.seconds', { n: String(all) }) : t('js.minutes', { n: String(Math.floor(all / 60)), s: String(all % 60) });
}

/** Puts picture, time and length of an event into an element. @param {HTMLElement} el @param {Stored} e @param {string} [camera] its name */
export function fillEvent(el, e, camera = '') {
  const frame = document.createElement('span');
  frame.className = 'thumb';
  if (e.thumbnail) {
    const img = document.createElement('img');
    img.loading = 'lazy';
    img.decoding = 'async';
    img.alt = '';
    img.addEventListener('error', () => img.remove());
    img.src = e.thumbnail;
    frame.append(img);
  }
  const long = document.createElement('span');
  long.className = 'long';
  long.textContent = duration(e.end - e.start);
  frame.append(long);
  const words = document.createElement('span');
  words.className = 'words';
  if (camera) {
    const name = document.createElement('strong');
    name.textContent = camera;
    words.append(name, ' ');
  }
  const when = document.createElement('span');
  when.textContent = camera ? short(e.start) : hms(e.start);
  words.append(when);
  el.replaceChildren(frame, words);
}
