// <lares-player camera quality [in-step]>: recordings. Its clock is the wall
// clock: the buffer is shifted so that currentTime plus anchor is the time of the
// picture. In step with others it follows their clock, see chorus.js.
import { bytes, randomID, Refusal, sleep } from './api.js';
import { pictures } from './frames.js';
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
const retry = 3000; // ms
const lookAgain = 1500; // ms between two seeks of a player that lost the step
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
  #placed = false; // the video stands at a time of this anchor
  #shown = /** @type {object | null} */ (null); // the init segment that the buffer has
  #play = randomID();
  #playSince = Date.now();
  #stepping = Promise.resolve();
  #stop = new AbortController();
  /** @type {Map<string, ArrayBuffer>} */
  #inits = new Map();
  #index = new PlayIndex('', () => this.#query());
  /** @type {number | undefined} */
  #timer;

  connectedCallback() {
    this.#index.base = `/api/v1/cameras/${this.getAttribute('camera')}`;
    this.#index.first = Number(this.getAttribute('from') ?? 0); // of a link
    this.#index.last = Number(this.getAttribute('to') ?? Infinity);
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
  get now() { return this.#placed ? this.#anchor + this.#video.currentTime * 1000 : this.#target; }
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

  /** Shows the picture after or before this one, one step after the other. @param {number} way 1 or -1 */
  step(way) {
    this.pause();
    this.#stepping = this.#stepping.then(() => this.#step(way)).catch(() => {});
    return this.#stepping;
  }

  /** @param {number} way */
  async #step(way) {
    if (this.#keysOnly) this.setRate(1);
    const origin = this.now + 0.02; // a picture is on the screen from its time on; what is less is rounding
    for (let tries = 0; tries < 4; tries++) {
      const { parts } = this.#index;
      const i = this.#index.find(origin);
      if (i < 0) return;
      // The pictures of a part may be shown among those of the parts beside it.
      const near = parts.slice(Math.max(0, i - 1), i + 2);
      const beside = near.find((p) => !p.shown);
      if (!beside || tries === near.length) {
        const times = near.flatMap((p) => p.shown ?? []).sort((a, b) => a - b);
        const shown = times.findLast((at) => at <= origin) ?? origin;
        const to = way > 0 ? times.find((at) => at > origin) : times.findLast((at) => at < shown);
        return to === undefined ? undefined : this.seek(to + 0.1);
      }
      await this.seek(beside.at + 1); // fetches it
    }
  }

  /** Whether it shows what it should or is on its way to it. */
  get ready() { return !this.#video.seeking && this.#video.readyState >= 3; }

  /**
   * For players in step: shows a time of the common clock as it goes on; false
   * where there is no footage.
   * @param {number} at ms @param {boolean} playing
   */
  follow(at, playing) {
    const i = this.#index.find(at);
    const here = i >= 0 && this.#index.parts[i].at <= at + 250;
    if (this.toggleAttribute('data-hole', !here)) {
      this.#hush(t('js.empty'));
      this.#video.pause();
      if (i < 0 && at > this.#index.to && performance.now() - this.#asked > lookAgain) this.#lookFor(at);
      return false;
    }
    const off = this.now - at;
    const far = Math.max(1, this.#rate) * (this.#keysOnly ? 3000 : 400);
    if (Math.abs(off) > far && !this.#video.seeking && performance.now() - this.#asked > lookAgain) this.#lookFor(at);
    this.#video.playbackRate = this.#rate * (1 - Math.max(-0.08, Math.min(0.08, off / 1000)));
    if (playing && this.#video.paused) this.#video.play().catch(() => {});
    this.#playing = playing;
    return true;
  }

  #asked = 0;

  /** @param {number} at */
  #lookFor(at) {
    this.#asked = performance.now();
    this.seek(at);
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
    const q = new URLSearchParams({ quality: this.quality, play: this.#play });
    if (this.hasAttribute('link')) q.set('link', '1');
    return q;
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
    const next = Math.max(i, k) + 1; // footage may begin without a key frame
    const feed = await this.#ready(exact, parts[k].init, signal);
    if (signal.aborted) return false;
    const seconds = (exact - this.#anchor) / 1000;
    if (!scrub && !this.#sparse && feed.range(seconds)) {
      this.#place(seconds);
    } else {
      this.#sparse = true;
      await feed.clear(whole);
      await this.#fetch(k, k + 1, true, signal);
      if (signal.aborted) return false;
      this.#place((parts[k].at - this.#anchor) / 1000);
      if (scrub) {
        await feed.flush();
        return false;
      }
      if (!this.#keysOnly) await this.#fetch(k, next, false, signal);
      this.#place(seconds);
      this.#next = this.#keysOnly ? k : next;
      this.#sparse = false;
    }
    this.#video.playbackRate = this.#rate;
    if (this.#playing) this.#video.play().catch(() => {});
    this.#watch();
    this.#hush('');
    return !signal.aborted;
  }

  /** A feed whose span holds the time. @param {number} at @param {{codecs: string}} init @param {AbortSignal} signal */
  async #ready(at, init, signal) {
    if (!plays(init.codecs)) throw new Unplayable(init.codecs);
    const inside = at > this.#anchor && at < this.#anchor + (whole - 3600) * 1000;
    if (this.#feed && this.#feed.source.readyState !== 'closed' && inside) return this.#feed;
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
    this.#placed = true;
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
    q.set('to', String(Math.min(this.#index.last, end < parts.length ? Math.floor(parts[end].at) : Math.ceil(parts[end - 1].end))));
    if (keys) q.set('keys', '1');
    const data = await bytes(`${this.#index.base}/media?${q}`, signal);
    if (signal.aborted || data.byteLength === 0) return;
    await feed.append(data);
    if (!keys) this.#index.learn(pictures(data));
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
        const from = this.#index.to;
        if (!(await this.#index.more(signal))) {
          if (from < Date.now() - 60e3) this.dispatchEvent(new CustomEvent('lares-hole', { detail: from }));
          await sleep(1000, signal);
        }
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
    if (!feed || !this.#playing || video.seeking || this.hidden || this.hasAttribute('in-step')) return;
    const here = feed.range(video.currentTime);
    // A decoder that puts pictures in order stops short of the last ones.
    if (here && here.end - video.currentTime > (video.readyState > 2 ? 0.08 : 0.5)) return;
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

  /** Tells the time of each picture. */
  #watch() {
    const each = () => {
      this.#tell();
      if (this.#feed) this.#video.requestVideoFrameCallback(each);
    };
    if (!this.#watching && this.#video.requestVideoFrameCallback) {
      this.#watching = true;
      this.#video.requestVideoFrameCallback(each);
    }
  }

  #watching = false;

  #drop() {
    this.#feed?.close();
    this.#feed = null;
    this.#placed = false;
    this.#shown = null;
    this.#watching = false;
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
    if (err instanceof TypeError) { // fetch: the box does not answer, or the page is being left
      this.#hush(t('js.offline'));
      setTimeout((at) => { if (at === this.#target && this.isConnected && !this.hidden) this.seek(at); }, retry, this.#target);
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
