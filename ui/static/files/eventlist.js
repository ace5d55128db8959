// Events as the box lists them, and how one is shown.
import { json } from './api.js';
import { hms, short, t } from './text.js';

/**
 * One event. Times are ms since the epoch.
 * @typedef {{id: string, camera: string, kind: string, start: number, end: number, thumbnail?: string, mayDelete?: boolean}} Stored
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

const settle = 3000; // ms that may pass between two presses of 'event before'
const windows = [10, 60, 360, 1440, 7 * 1440, 30 * 1440].map((minutes) => minutes * 60e3);
const perLook = 200; // events in one answer

/**
 * When the event before or after a time began; null if there is none within a
 * month. Looks further and further.
 * @param {string} camera '' for all @param {number} at @param {number} way 1 or -1 @param {string} view
 */
export async function besideEvent(camera, at, way, view) {
  for (const window of windows) {
    const [from, to] = way > 0 ? [at, at + window] : [at - window, at + 60e3];
    const { events: list } = await events({ camera, from: Math.floor(Math.max(0, from)), to: Math.ceil(to), limit: perLook, view });
    const found = way > 0 ? list.findLast((e) => e.start - lead > at + 500) : list.find((e) => e.start - lead < at - settle);
    if (found) return found.start;
    if (way > 0 && to > Date.now()) return null;
  }
  return null;
}
