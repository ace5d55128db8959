// Media Source Extensions, made sequential: what live view and player share.
import { t } from './text.js';

/** @type {typeof MediaSource | undefined} */
const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

/** Whether this browser can be fed with media at all. */
export const supported = Source !== undefined;

/** @param {string} codecs */
export function mime(codecs) { return `video/mp4; codecs="${codecs}"`; }

/** @param {string} codecs */
export function plays(codecs) { return Source?.isTypeSupported(mime(codecs)) ?? false; }

/** The name of the picture codec for people. @param {string} codecs */
function codecName(codecs) {
  if (/^(hvc|hev)1/.test(codecs)) return 'H.265';
  return codecs.startsWith('avc') ? 'H.264' : codecs;
}

/** This browser cannot decode the media. instead is what to say where there is a small picture to show. */
export class Unplayable extends Error {
  /** @param {string} codecs */
  constructor(codecs) {
    super(t('js.codec', { codec: codecName(codecs) }));
    this.instead = t('js.codec_sub', { codec: codecName(codecs) });
  }
}

/** A video element for pictures from a Feed. */
export function newVideo() {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.disableRemotePlayback = true; // else a ManagedMediaSource never opens
  video.setAttribute('aria-hidden', 'true');
  return video;
}

/** One source buffer in a video element; its operations run one after the other. */
export class Feed {
  /** @param {MediaSource} source @param {SourceBuffer} buffer @param {string} codecs @param {HTMLVideoElement} video */
  constructor(source, buffer, codecs, video) {
    this.source = source;
    this.buffer = buffer;
    this.codecs = codecs;
    this.video = video;
    /** @type {Promise<unknown>} */
    this.tail = Promise.resolve();
  }

  /**
   * Connects a video element to a new source.
   * @param {HTMLVideoElement} video
   * @param {string} codecs
   * @param {number} offset seconds that are added to the times of the media
   */
  static async open(video, codecs, offset) {
    const source = new /** @type {typeof MediaSource} */ (Source)();
    const url = URL.createObjectURL(source);
    const opened = new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
    video.src = url;
    await opened;
    URL.revokeObjectURL(url);
    const buffer = source.addSourceBuffer(mime(codecs));
    buffer.mode = 'segments';
    buffer.timestampOffset = offset;
    return new Feed(source, buffer, codecs, video);
  }

  /** @param {() => void} start */
  queue(start) {
    const run = this.tail.then(() => new Promise((resolve, reject) => {
      const end = (/** @type {Event} */ e) => {
        this.buffer.removeEventListener('updateend', end);
        this.buffer.removeEventListener('error', end);
        e.type === 'error' ? reject(new Error('media was refused')) : resolve(undefined);
      };
      this.buffer.addEventListener('updateend', end);
      this.buffer.addEventListener('error', end);
      try {
        start();
        if (!this.buffer.updating) end(new Event('updateend'));
      } catch (err) {
        this.buffer.removeEventListener('updateend', end);
        this.buffer.removeEventListener('error', end);
        reject(err);
      }
    }));
    this.tail = run.catch(() => {});
    return run;
  }

  /** Appends media; where the browser has no room, forgets what was shown and tries once more. @param {BufferSource} data */
  async append(data) {
    try {
      await this.queue(() => this.buffer.appendBuffer(data));
    } catch (err) {
      if (!(err instanceof DOMException) || err.name !== 'QuotaExceededError') throw err;
      await this.trim(2);
      await this.queue(() => this.buffer.appendBuffer(data));
    }
  }

  /** Makes the buffer ready for other media. @param {string} codecs @param {BufferSource} init */
  async init(codecs, init) {
    if (codecs !== this.codecs) {
      await this.queue(() => this.buffer.changeType(mime(codecs)));
      this.codecs = codecs;
    }
    await this.append(init);
  }

  /** Forgets all media. @param {number} span seconds that the source is to last */
  async clear(span) {
    await this.queue(() => this.buffer.remove(0, Infinity));
    await this.queue(() => { this.source.duration = span; }); // a flush shortened it
  }

  /** Lets the decoder give out what it holds back to put pictures in order; more can be appended later. */
  async flush() {
    await this.queue(() => { if (this.source.readyState === 'open') this.source.endOfStream(); });
  }

  /** Forgets what lies more than keep seconds behind. @param {number} keep */
  async trim(keep) {
    const end = this.video.currentTime - keep;
    if (this.buffer.buffered.length > 0 && this.buffer.buffered.start(0) < end - 1) {
      await this.queue(() => this.buffer.remove(0, end));
    }
  }

  /** The buffered range that holds a time, or the next one within slack seconds. @param {number} at @param {number} [slack] */
  range(at, slack = 0) {
    const b = this.buffer.buffered;
    for (let i = 0; i < b.length; i++) {
      if (at < b.end(i) && at >= b.start(i) - slack) return { start: b.start(i), end: b.end(i) };
    }
    return null;
  }

  close() {
    if (this.source.readyState === 'open') {
      try { this.source.endOfStream(); } catch { /* still updating: removing the source ends it as well */ }
    }
    this.video.removeAttribute('src');
    this.video.load();
  }
}
