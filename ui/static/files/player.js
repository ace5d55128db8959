// <lares-player camera quality>: recordings. Its clock is the wall clock: the
// buffer is shifted so that currentTime plus anchor is the time of the picture.
import { bytes, randomID, Refusal, sleep } from './api.js';
import { PlayIndex } from './index.js';
import { Feed, Unplayable, newVideo, plays, supported } from './mse.js';
import { t } from './text.js';

const rates = [0.25, 0.5, 1, 2, 4, 8, 16];
const keysFrom = 4; // the rate from which only key frames are fetched
const before = 12 * 3600e3; // ms that can be reached before the first time without starting anew
const whole = 10 * 24 * 3600; // seconds that the source spans
const batch = 4e6; // bytes of media in one request
const readAhead = 12; // seconds at rate 1
const keepBehind = 20; // seconds
const renew = 50 * 60e3; // ms after which watching is a new line in the record of who looked

export class LaresPlayer extends HTMLElement {
  #video = newVideo();
  #say = document.createElement('p');
  /** @type {Feed | null} */
  #feed = null;
  #anchor = 0;
  #rate = 1;
  #playing = false;
  #target = 0; // the time that was asked for last
  #next = 0; // place in the index of the part to fetch
  #sparse = false; // the buffer is not what it should be from its start to #next
  #shown = /** @type {object | null} */ (null); // the init segment that the buffer has
  #play = randomID();
  #playSince = Date.now();
  #frame = 1 / 20; // seconds, measured
  #stop = new AbortController();
  /** @type {Map<string, ArrayBuffer>} */
  #inits = new Map();
  #index = new PlayIndex('', () => this.#query());
  /** @type {number | undefined} */
  #timer;

  connectedCallback() {
    this.#index.base = `/api/v1/cameras/${this.getAttribute('camera')}`;
    this.#say.className = 'say';
    this.#say.setAttribute('role', 'status');
    this.replaceChildren(this.#video, this.#say);
    this.#video.addEventListener('timeupdate', () => this.#tell());
    this.#timer = window.setInterval(() => this.#overHoles(), 120);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
    this.close();
  }

  /** The time of the picture, ms since the epoch. */
  get now() { return this.#anchor + this.#video.currentTime * 1000; }
  get playing() { return this.#playing; }
  get rate() { return this.#rate; }
  get muted() { return this.#video.muted; }
  set muted(m) { this.#video.muted = m; }

  /** The quality to fetch; the sub-stream is enough to look for something. */
  get quality() { return this.getAttribute('quality') ?? 'main'; }
  set quality(q) {
    if (q === this.quality) return;
    this.setAttribute('quality', q);
    this.#index.forget();
    this.#drop();
  }

  play() {
    this.#playing = true;
    this.#video.play().catch(() => {});
    this.#tell();
  }

  pause() {
    this.#playing = false;
    this.#video.pause();
    this.#tell();
  }

  toggle() { this.#playing ? this.pause() : this.play(); }

  /** One step faster or slower. @param {number} way 1 or -1 */
  shift(way) {
    const i = rates.indexOf(this.#rate) + way;
    if (i >= 0 && i < rates.length) this.setRate(rates[i]);
  }

  /** @param {number} rate */
  setRate(rate) {
    const keys = this.#keysOnly;
    this.#rate = rate;
    this.#video.playbackRate = rate;
    if (keys !== this.#keysOnly && this.#feed) {
      this.#sparse = true;
      this.seek(this.now);
    }
    this.#tell();
  }

  /** Shows the picture after or before this one. @param {number} way 1 or -1 */
  step(way) {
    this.pause();
    this.seek(this.now + way * this.#frame * 1000 + (way > 0 ? 1 : 0));
  }

  /** Stops and forgets everything. */
  close() {
    this.#stop.abort();
    this.#playing = false;
    this.#drop();
  }

  /**
   * Goes to a time: the key frame at once, then the exact picture. In a hole it
   * goes to the end of the hole. While scrubbing the key frame is enough.
   * @param {number} at ms @param {{scrub?: boolean}} [how]
   */
  async seek(at, { scrub = false } = {}) {
    this.#stop.abort();
    this.#stop = new AbortController();
    const signal = this.#stop.signal;
    this.#target = at;
    const failed = (/** @type {unknown} */ err) => {
      if (!signal.aborted) this.#failed(err);
    };
    try {
      if (await this.#seek(at, scrub, signal)) this.#pump(signal).catch(failed);
    } catch (err) {
      failed(err);
    }
  }

  get #keysOnly() { return this.#rate >= keysFrom; }

  #query() {
    if (Date.now() - this.#playSince > renew) {
      this.#play = randomID();
      this.#playSince = Date.now();
    }
    return new URLSearchParams({ quality: this.quality, play: this.#play });
  }

  /** True if the buffer is to be filled from there on. @param {number} at @param {boolean} scrub @param {AbortSignal} signal */
  async #seek(at, scrub, signal) {
    if (!supported) throw new Refusal(0, 'browser', t('js.no_mse'));
    await this.#index.around(at, signal);
    const i = this.#index.find(at);
    if (i < 0) {
      this.#hush(t('js.empty'));
      this.dispatchEvent(new CustomEvent('lares-nothing', { detail: at }));
      return false;
    }
    const { parts } = this.#index;
    const exact = Math.max(at, parts[i].at);
    const k = this.#index.keyOf(i);
    const feed = await this.#ready(exact, parts[k].init, signal);
    if (signal.aborted) return false;
    const seconds = (exact - this.#anchor) / 1000;
    if (!scrub && !this.#sparse && feed.range(seconds)) {
      this.#video.currentTime = seconds;
    } else {
      this.#sparse = true;
      await feed.clear();
      await this.#fetch(k, k + 1, true, signal);
      this.#place((parts[k].at - this.#anchor) / 1000);
      if (scrub) return false;
      if (!this.#keysOnly) await this.#fetch(k, i + 1, false, signal);
      this.#place(seconds);
      this.#next = this.#keysOnly ? k : i + 1;
      this.#sparse = false;
    }
    this.#video.playbackRate = this.#rate;
    if (this.#playing) this.#video.play().catch(() => {});
    this.#measure();
    this.#hush('');
    return !signal.aborted;
  }

  /** A feed whose span holds the time. @param {number} at @param {{codecs: string}} init @param {AbortSignal} signal */
  async #ready(at, init, signal) {
    if (!plays(init.codecs)) throw new Unplayable(init.codecs);
    const inside = at > this.#anchor && at < this.#anchor + (whole - 3600) * 1000;
    if (this.#feed?.source.readyState === 'open' && inside) return this.#feed;
    this.#drop();
    this.#anchor = Math.floor(at) - before;
    const feed = await Feed.open(this.#video, init.codecs, -this.#anchor / 1000);
    if (signal.aborted) {
      feed.close();
      throw signal.reason;
    }
    feed.source.duration = whole;
    this.#feed = feed;
    return feed;
  }

  /** Goes to a time, or to the first picture just after it. @param {number} seconds */
  #place(seconds) {
    const r = this.#feed?.range(seconds, 1);
    this.#video.currentTime = r ? Math.max(seconds, r.start + 0.001) : seconds;
  }

  /** Fetches and appends parts i to end. @param {number} i @param {number} end @param {boolean} keys @param {AbortSignal} signal */
  async #fetch(i, end, keys, signal) {
    const { parts } = this.#index;
    const feed = /** @type {Feed} */ (this.#feed);
    const init = parts[i].init;
    if (this.#shown !== init) {
      await feed.init(init.codecs, await this.#init(init.segment, signal));
      this.#shown = init;
    }
    const q = this.#query();
    q.set('from', String(Math.floor(parts[i].at)));
    q.set('to', String(end < parts.length ? Math.floor(parts[end].at) : Math.ceil(parts[end - 1].end)));
    if (keys) q.set('keys', '1');
    const data = await bytes(`${this.#index.base}/media?${q}`, signal);
    if (!signal.aborted && data.byteLength > 0) await feed.append(data);
  }

  /** @param {string} segment @param {AbortSignal} signal */
  async #init(segment, signal) {
    let data = this.#inits.get(segment);
    if (!data) {
      data = await bytes(`${this.#index.base}/init/${segment}?${this.#query()}`, signal);
      if (this.#inits.size > 16) this.#inits.clear();
      this.#inits.set(segment, data);
    }
    return data;
  }

  /** Keeps the buffer ahead of the picture. @param {AbortSignal} signal */
  async #pump(signal) {
    while (!signal.aborted) {
      const feed = /** @type {Feed} */ (this.#feed);
      const ahead = (feed.range(this.#video.currentTime, 1)?.end ?? this.#video.currentTime) - this.#video.currentTime;
      if (ahead > readAhead * Math.max(1, this.#rate) || this.#farAhead()) {
        await sleep(250, signal);
        continue;
      }
      if (this.#index.full) {
        this.#index.forget();
        this.seek(this.now);
        return;
      }
      if (this.#next >= this.#index.parts.length) {
        if (!(await this.#index.more(signal))) await sleep(1000, signal);
        if (this.#next >= this.#index.parts.length && this.#index.to > Date.now() - 3e3 && ahead < 0.1) this.#atEnd();
        continue;
      }
      const end = this.#batchEnd();
      await this.#fetch(this.#next, end, this.#keysOnly, signal);
      this.#next = end;
      await feed.trim(keepBehind * Math.max(1, this.#rate));
    }
  }

  /** Whether the part to fetch lies behind a hole and what comes before it is not shown yet. */
  #farAhead() {
    const p = this.#index.parts[this.#next];
    const feed = this.#feed;
    if (!p || !feed) return false;
    const b = feed.buffer.buffered;
    return b.length > 0 && b.end(b.length - 1) - this.#video.currentTime > 2 * readAhead * Math.max(1, this.#rate);
  }

  #batchEnd() {
    if (this.#keysOnly) return this.#index.run(this.#next, 30e3 * this.#rate / keysFrom, Infinity);
    return this.#index.run(this.#next, 4000, batch);
  }

  /** Goes over a hole when the picture before it has been shown. */
  #overHoles() {
    const feed = this.#feed;
    const video = this.#video;
    if (!feed || !this.#playing || video.seeking || this.hidden) return;
    const here = feed.range(video.currentTime);
    if (here && here.end - video.currentTime > 0.08) return;
    const b = feed.buffer.buffered;
    for (let i = 0; i < b.length; i++) {
      if (b.start(i) > video.currentTime + 0.01) {
        video.currentTime = b.start(i) + 0.001;
        return;
      }
    }
  }

  #atEnd() {
    if (this.#playing) this.dispatchEvent(new CustomEvent('lares-end'));
  }

  /** Measures how long a picture is shown, for single steps. */
  #measure() {
    let last = -1;
    const each = (/** @type {number} */ _, /** @type {{mediaTime: number}} */ { mediaTime }) => {
      const d = mediaTime - last;
      if (last >= 0 && d > 0.005 && d < 1 && !this.#keysOnly) this.#frame = Math.min(d, this.#frame * 1.05); // some pictures are passed over
      last = mediaTime;
      this.#tell();
      if (this.#feed) this.#video.requestVideoFrameCallback(each);
    };
    if (!this.#measuring && this.#video.requestVideoFrameCallback) {
      this.#measuring = true;
      this.#video.requestVideoFrameCallback(each);
    }
  }

  #measuring = false;

  #drop() {
    this.#feed?.close();
    this.#feed = null;
    this.#shown = null;
    this.#measuring = false;
  }

  /** @param {unknown} err */
  #failed(err) {
    if (err instanceof Unplayable && this.quality === 'main' && this.hasAttribute('has-sub')) {
      this.dispatchEvent(new CustomEvent('lares-codec', { detail: err.instead, bubbles: true }));
      this.quality = 'sub';
      this.seek(this.#target);
      return;
    }
    if (err instanceof Refusal && err.code === 'locked') {
      this.dispatchEvent(new CustomEvent('lares-locked', { detail: err.message }));
      return;
    }
    this.#drop();
    if (err instanceof Refusal || err instanceof Unplayable) {
      this.#hush(err.message);
      return;
    }
    console.error(err);
    this.#hush(t('js.failed'));
  }

  /** @param {string} text */
  #hush(text) { this.#say.textContent = text; }

  #tell() { this.dispatchEvent(new CustomEvent('lares-time', { detail: this.now })); }
}

customElements.define('lares-player', LaresPlayer);
