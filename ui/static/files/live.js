// <lares-live camera quality [sound]>: the picture of now.
import { ask, randomID, Refusal, sleep } from './api.js';
import { Feed, Unplayable, newVideo, plays, supported } from './mse.js';
import { privateWords } from './privacy.js';
import { short, t } from './text.js';

const target = 0.15; // seconds behind the newest frame
const far = 1.2; // seconds behind, from which it jumps
const near = 0.3; // the same in the beginning, when there is nothing yet to keep smooth
const begins = 1500; // ms from the first picture on that are the beginning
const look = 100; // ms between two looks at how far behind it is
const soon = 700; // ms within which a picture comes when all is well
const silence = 6000; // ms without data after which it asks again
const keep = 8; // seconds of the past in the buffer

export class LaresLive extends HTMLElement {
  static observedAttributes = ['quality', 'sound', 'paused', 'private'];

  #video = newVideo();
  #still = document.createElement('canvas');
  #say = document.createElement('p');
  #seen = false;
  #view = randomID(); // one line in the record of who looked for each page
  #lastPicture = 0;
  #drawn = false; // there is a last picture
  #first = 0; // when the first picture of this connection was shown; 0: not yet
  /** @type {AbortController | null} */
  #running = null;
  #watch = new IntersectionObserver((entries) => {
    this.#seen = entries[entries.length - 1].isIntersecting;
    this.#update();
  });
  #visible = () => this.#update();

  connectedCallback() {
    this.#say.className = 'say';
    this.#say.setAttribute('role', 'status');
    this.replaceChildren(this.#still, this.#video, this.#say);
    this.#watch.observe(this);
    document.addEventListener('visibilitychange', this.#visible);
    const words = privateWords(this.getAttribute('camera'));
    if (words) this.setAttribute('private', words);
  }

  /** Shows the picture of another one until its own comes. @param {HTMLElement} other a <lares-live> */
  borrow(other) {
    const video = other.querySelector('video');
    if (video) this.#freeze(video);
  }

  disconnectedCallback() {
    this.#watch.disconnect();
    document.removeEventListener('visibilitychange', this.#visible);
    this.#stop();
  }

  attributeChangedCallback() {
    this.#stop();
    this.#update();
    if (this.hasAttribute('private')) this.#hide(this.getAttribute('private') ?? '');
  }

  /** Shows nothing, not even the last picture, and says why. @param {string} words */
  #hide(words) {
    this.#video.removeAttribute('src');
    this.#video.load();
    this.#still.width = 0;
    this.#drawn = false;
    this.#lastPicture = 0;
    this.#state('private', words);
  }

  /** Runs while somebody can see it. */
  #update() {
    const wanted = this.isConnected && this.#seen && !this.hasAttribute('paused') && !this.hasAttribute('private') && document.visibilityState === 'visible';
    if (wanted && !this.#running) {
      this.#running = new AbortController();
      this.#run(this.#running.signal);
    } else if (!wanted) {
      this.#stop();
    }
  }

  #stop() {
    this.#running?.abort();
    this.#running = null;
  }

  /** Asks again and again, with patience. @param {AbortSignal} signal */
  async #run(signal) {
    let wait = 500;
    this.#last(signal);
    while (!signal.aborted) {
      this.#state('connecting', this.#lastPicture ? t('js.ago', { time: short(this.#lastPicture) }) : t('js.connecting'));
      const began = performance.now();
      try {
        await this.#once(signal);
        wait = 500;
      } catch (err) {
        if (signal.aborted) break;
        if (!(await this.#refused(err))) return;
      }
      this.#freeze();
      if (performance.now() - began > 10000) wait = 500;
      await sleep(wait, signal);
      wait = Math.min(wait * 2, 15000);
    }
    this.#freeze();
  }

  /** Says what is wrong; false if asking again is of no use. @param {unknown} err */
  async #refused(err) {
    if (err instanceof Unplayable) {
      if (this.getAttribute('quality') === 'main' && this.hasAttribute('has-sub')) {
        this.dispatchEvent(new CustomEvent('lares-codec', { detail: err.instead, bubbles: true }));
        this.setAttribute('quality', 'sub');
        return false;
      }
      this.#state('refused', err.message);
      return false;
    }
    if (err instanceof Refusal && err.code === 'private') {
      this.#hide(err.message);
      return true;
    }
    const said = err instanceof Refusal ? err.message : t('js.offline');
    const ago = this.#lastPicture ? ` ${t('js.ago', { time: short(this.#lastPicture) })}` : '';
    this.#state('waiting', said + ago);
    return !(err instanceof Refusal) || ![0, 401, 403, 404].includes(err.status);
  }

  /** Shows the stream until it ends. @param {AbortSignal} outer */
  async #once(outer) {
    if (!supported) throw new Refusal(0, 'browser', t('js.no_mse'));
    const stop = new AbortController();
    const signal = AbortSignal.any([outer, stop.signal]);
    const query = new URLSearchParams({ quality: this.getAttribute('quality') ?? 'sub', view: this.#view });
    if (this.hasAttribute('sound')) query.set('sound', '1');
    const answer = await ask(`/api/v1/live/${this.getAttribute('camera')}?${query}`, { signal });
    const codecs = answer.headers.get('X-Lares-Codecs') ?? '';
    if (!plays(codecs)) {
      stop.abort();
      throw new Unplayable(codecs);
    }
    const start = Number(answer.headers.get('X-Lares-Start')) / 90000;
    const feed = await Feed.open(this.#video, codecs, -start);
    this.#video.muted = !this.hasAttribute('sound');
    this.#first = 0;
    const chase = setInterval(() => this.#chase(feed, start), look);
    let dog = setTimeout(() => stop.abort(), silence);
    this.#firstPicture(signal);
    try {
      const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(dog);
        dog = setTimeout(() => stop.abort(), silence);
        await feed.append(/** @type {Uint8Array<ArrayBuffer>} */ (value));
        if (this.#video.paused) this.#video.play().catch(() => { this.#video.muted = true; });
      }
    } finally {
      clearInterval(chase);
      clearTimeout(dog);
      stop.abort();
      this.#freeze();
      feed.close();
    }
  }

  /** @param {AbortSignal} signal */
  #firstPicture(signal) {
    const shown = () => {
      if (signal.aborted) return;
      this.#first = performance.now();
      this.#state('playing', '');
      this.dispatchEvent(new CustomEvent('lares-picture', { bubbles: true }));
    };
    if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(shown);
    else this.#video.addEventListener('playing', shown, { once: true, signal });
  }

  /** Keeps close to the newest frame and over the holes. @param {Feed} feed @param {number} start */
  #chase(feed, start) {
    const video = this.#video;
    const b = feed.buffer.buffered;
    if (b.length === 0) return;
    const end = b.end(b.length - 1);
    const lag = end - video.currentTime;
    this.#lastPicture = (start + video.currentTime) * 1000;
    if (video.seeking) return;
    const jump = this.#first && performance.now() - this.#first < begins ? near : far;
    if (lag > jump || video.currentTime < b.start(b.length - 1) - 0.1) {
      video.currentTime = Math.max(end - target, b.start(b.length - 1));
      video.playbackRate = 1;
    } else if (lag > 1.5 * target) {
      video.playbackRate = Math.min(1 + lag - target, 1.25);
    } else if (lag < target / 2) {
      video.playbackRate = 0.95;
    } else {
      video.playbackRate = 1;
    }
    feed.trim(keep).catch(() => {});
  }

  /** Keeps the last picture when the video goes away, so that nothing turns black. */
  #freeze(video = this.#video) {
    const { videoWidth: width, videoHeight: height } = video;
    if (width === 0 || video.readyState < 2) return;
    this.#still.width = width;
    this.#still.height = height;
    this.#still.getContext('2d')?.drawImage(video, 0, 0);
    this.#drawn = true;
  }

  /** Fetches the last picture of the camera, where there is none to show yet. @param {AbortSignal} signal */
  async #last(signal) {
    await sleep(soon, signal);
    if (signal.aborted || this.#drawn || this.dataset.state === 'playing') return;
    const width = Math.min(1920, Math.ceil(this.clientWidth * devicePixelRatio));
    try {
      const answer = await ask(`/api/v1/cameras/${this.getAttribute('camera')}/still.jpg?width=${width}&view=${this.#view}`, { signal });
      const picture = await createImageBitmap(await answer.blob());
      if (signal.aborted || this.#drawn || this.dataset.state === 'playing') return;
      this.#still.width = picture.width;
      this.#still.height = picture.height;
      this.#still.getContext('2d')?.drawImage(picture, 0, 0);
      this.#drawn = true;
      this.#lastPicture = Number(answer.headers.get('X-Lares-Time'));
      this.#state(this.dataset.state ?? '', t('js.ago', { time: short(this.#lastPicture) }));
    } catch { /* there is none: the words say so */ }
  }

  /** @param {string} state @param {string} text */
  #state(state, text) {
    this.dataset.state = state;
    this.#say.textContent = text;
  }
}

customElements.define('lares-live', LaresLive);
