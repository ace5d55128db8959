// The player's view of what is recorded: parts in order, fetched in windows.
import { json } from './api.js';

const back = 60e3; // ms before a time that are fetched, to find its key frame
const ahead = 600e3; // ms after it
const most = 20000; // parts that are kept before it starts anew

/**
 * One fragment. Times are ms since the epoch.
 * shown is when its pictures are, known once it was fetched.
 * @typedef {{ at: number, end: number, bytes: number, key: number, init: {segment: string, codecs: string}, shown?: number[] }} Part
 */

export class PlayIndex {
  /** @type {Part[]} */
  parts = [];
  /** @type {Map<string, {segment: string, codecs: string}>} one object for each init segment */
  inits = new Map();
  from = 0;
  to = 0;
  /** What may be asked for: a link shows a span only. */
  first = 0;
  last = Infinity;

  /** @param {string} base path of the camera's API @param {() => URLSearchParams} query what every request carries */
  constructor(base, query) {
    this.base = base;
    this.query = query;
  }

  forget() {
    this.parts = [];
    this.inits.clear();
    this.from = this.to = 0;
  }

  /** Makes sure that the parts around a time are known. @param {number} at @param {AbortSignal} signal */
  async around(at, signal) {
    if (this.to > 0 && at - 10e3 >= this.from && at < this.to + ahead && this.parts.length < most) {
      if (at > this.to - 5e3) await this.more(signal);
      return;
    }
    this.forget();
    await this.#fetch(at - back, at + ahead, signal);
  }

  /** Whether it has grown too long and should be forgotten. */
  get full() { return this.parts.length >= most; }

  /** Fetches what follows the window; false if there is nothing yet. @param {AbortSignal} signal */
  async more(signal) {
    const known = this.parts.length;
    const edge = this.to > Date.now() - 5e3; // what is being written grows: look again
    const from = edge ? Math.max(this.parts.at(-1)?.end ?? this.from, Date.now() - ahead / 2) : this.to;
    await this.#fetch(from, from + ahead, signal);
    return this.parts.length > known;
  }

  /** @param {number} from @param {number} to @param {AbortSignal} signal */
  async #fetch(from, to, signal) {
    const q = this.query();
    from = Math.max(from, this.first);
    to = Math.min(to, this.last);
    if (from >= to) return;
    q.set('from', String(Math.floor(from)));
    q.set('to', String(Math.floor(to)));
    const got = await json(`${this.base}/index?${q}`, signal);
    const newest = this.parts.at(-1)?.at ?? -Infinity;
    for (const init of got.inits) if (!this.inits.has(init.segment)) this.inits.set(init.segment, init);
    for (const [time, duration, bytes, key, init] of got.parts) {
      const at = time / 90;
      if (at <= newest + 0.5 || at < this.first || at >= this.last) continue;
      this.parts.push({ at, end: at + duration / 90, bytes, key, init: this.inits.get(got.inits[init].segment) });
    }
    this.from = this.from === 0 ? from : this.from;
    this.to = Math.max(this.to, Math.min(to, Date.now()));
  }

  /** The place of the part that is shown at a time, or of the next one; -1 if there is none. @param {number} at */
  find(at) {
    let low = 0;
    let high = this.parts.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.parts[mid].end <= at) low = mid + 1;
      else high = mid;
    }
    return low < this.parts.length ? low : -1;
  }

  /** Keeps when the pictures of parts are shown. @param {{at: number, shown: number[]}[]} fragments */
  learn(fragments) {
    for (const { at, shown } of fragments) {
      const part = this.parts[this.find(at + 0.5)];
      if (part && Math.abs(part.at - at) < 0.5) part.shown = shown;
    }
  }

  /** The place of the key frame that a part needs. @param {number} i */
  keyOf(i) {
    let k = i;
    while (k > 0 && this.parts[k].key === 0 && this.parts[k - 1].init === this.parts[i].init) k--;
    while (this.parts[k].key === 0 && k < this.parts.length - 1) k++;
    return k;
  }

  /**
   * The end, exclusive, of a run of parts from i on with one init segment.
   * @param {number} i @param {number} ms at most @param {number} bytes at most, but one part anyway
   */
  run(i, ms, bytes) {
    let end = i;
    let size = 0;
    while (end < this.parts.length) {
      const p = this.parts[end];
      const fits = p.init === this.parts[i].init && p.end - this.parts[i].at <= ms && size + p.bytes <= bytes;
      if (!fits && end > i) break;
      size += p.bytes;
      end++;
    }
    return end;
  }
}
