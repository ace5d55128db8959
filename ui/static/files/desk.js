// What the page of a camera and the wall share: the time that is looked at, live
// or past, and everything that moves it: time line, calendar, buttons and keys.
// A page says with what it shows live and past.
import { randomID } from './api.js';
import { Calendar } from './calendar.js';
import { besideEvent, lead } from './eventlist.js';
import { date, hms, midnight } from './text.js';

const nearNow = 1500; // ms from now that count as live
const hurry = 5000; // ms of an arrow key
const skip = 10e3; // ms of the buttons beside 'play'
const page = 24 * 3600e3; // ms that the time line shows in the beginning

export class Desk extends HTMLElement {
  at = Date.now(); // the time that is shown
  view = randomID(); // one line in the record of who looked for each page
  line = /** @type {any} */ (null);
  leave = new AbortController();
  #scrubbing = false;
  /** @type {number | null} */
  #wanted = null; // the time to scrub to next
  #calendar = /** @type {Calendar | null} */ (null);
  #timer = 0;

  /** What plays: a <lares-player>, or several as one. @returns {any} */
  get engine() { throw new Error('a page has an engine'); }

  /** Shows live or past pictures. @param {boolean} _live */
  show(_live) {}

  /** The camera whose events are looked for; '' for all. */
  get eventsOf() { return ''; }

  /** More that buttons and keys do, by the name of the action. @returns {Record<string, () => void>} */
  get actions() { return {}; }

  connectedCallback() {
    const { signal } = this.leave;
    this.line = this.part('line');
    this.#calendar = new Calendar(this.part('calendar'), this.part('day'), () => this.line.cameras, (day) => this.#showDay(day));
    this.addEventListener('click', (e) => this.#click(e), { signal });
    document.addEventListener('keydown', (e) => this.#key(e), { signal });
    this.line.addEventListener('lares-pick', (/** @type {CustomEvent} */ e) => this.pick(e.detail.at, e.detail.done), { signal });
    this.line.addEventListener('lares-view', () => this.#viewed(), { signal });
    this.part('speed').addEventListener('change', (/** @type {any} */ e) => this.#setRate(Number(e.target.value)), { signal });
    this.#timer = window.setInterval(() => { if (this.isLive && document.visibilityState === 'visible') this.tick(); }, 500);
    this.line.show(Date.now() - page, Date.now() + page / 25);
  }

  disconnectedCallback() {
    this.leave.abort();
    clearInterval(this.#timer);
  }

  /** @param {string} name @returns {any} */
  part(name) { return this.querySelector(`[data-part="${name}"]`); }

  get isLive() { return this.dataset.mode !== 'past'; }

  /** Begins with the time that the address asks for. */
  begin() {
    const wished = Number(new URLSearchParams(location.search).get('t'));
    this.mode('live');
    if (wished > 0) this.pick(wished, true);
  }

  /** Listens to what plays. @param {EventTarget} engine */
  listen(engine) {
    const { signal } = this.leave;
    engine.addEventListener('lares-time', () => this.tick(), { signal });
    engine.addEventListener('lares-end', () => this.golive(), { signal });
    engine.addEventListener('lares-hole', (e) => {
      const next = this.line.next(/** @type {CustomEvent} */ (e).detail);
      if (this.engine.playing && next < Infinity) this.engine.seek(next);
    }, { signal });
  }

  /** @param {'live' | 'past'} mode */
  mode(mode) {
    this.dataset.mode = mode;
    const live = mode === 'live';
    if (live) this.engine.close();
    this.show(live);
    this.querySelector('[data-action="live"]')?.setAttribute('aria-pressed', String(live));
    this.tick();
  }

  golive() {
    this.#setRate(1);
    this.mode('live');
    this.line.follow = true;
    this.line.show(Date.now() - (this.line.to - this.line.from), Date.now() + page);
  }

  /**
   * Shows a time. While somebody drags, only key frames are asked for, and
   * always the newest wish.
   * @param {number} at @param {boolean} done @param {boolean} [play]
   */
  async pick(at, done, play = true) {
    if (at >= Date.now() - nearNow) {
      if (done) this.golive();
      return;
    }
    if (this.line.cameras.length === 0) return; // live is all that may be seen
    if (this.isLive) this.mode('past');
    this.at = at;
    this.#wanted = at;
    this.picked(at);
    this.#place();
    if (done) {
      this.#wanted = null;
      if (play) this.engine.play(); else this.engine.pause();
      const next = this.line.knows(at) ? this.line.next(at) : at;
      this.engine.seek(next < Infinity ? next : at);
      return;
    }
    if (this.#scrubbing) return;
    this.#scrubbing = true;
    this.engine.pause();
    while (this.#wanted !== null) {
      const next = this.#wanted;
      this.#wanted = null;
      await this.engine.seek(next, { scrub: true });
    }
    this.#scrubbing = false;
  }

  /** A page may want to know. @param {number} _at */
  picked(_at) {}

  /** Shows what the clock says now. */
  tick() {
    const { engine } = this;
    const playing = this.isLive || engine.playing;
    this.part('icon-play').hidden = playing;
    this.part('icon-pause').hidden = !playing;
    this.part('speed').value = String(engine.rate);
    if (this.isLive) this.at = Date.now();
    else if (engine.now > 1e6 && !this.#scrubbing) this.at = engine.now;
    this.#place();
  }

  #place() {
    this.line.advance(this.at);
    this.clock(this.isLive ? '' : `${date(this.at)}, ${hms(this.at)}`);
    const day = date(this.at);
    const words = this.part('day').lastElementChild;
    if (words.textContent !== day) words.textContent = day;
  }

  /** Writes the time of the picture; '' for live. @param {string} _time */
  clock(_time) {}

  /** Marks which of the stretches is shown. */
  #viewed() {
    const range = this.line.to - this.line.from;
    for (const button of this.querySelectorAll('[data-range]')) {
      button.setAttribute('aria-pressed', String(Math.abs(Number(button.getAttribute('data-range')) / range - 1) < 0.02));
    }
  }

  /** @param {number} day */
  #showDay(day) {
    this.line.follow = false;
    this.line.show(day, midnight(day, 1));
    const next = this.line.knows(day) ? this.line.next(day) : day;
    this.pick(next < midnight(day, 1) ? next : day, true, false);
  }

  /** @param {number} range ms */
  #zoomTo(range) {
    const { line } = this;
    line.zoom(range / (line.to - line.from));
    if (this.isLive) line.follow = true;
  }

  /** @param {Event} e */
  #click(e) {
    const el = /** @type {Element} */ (e.target).closest('[data-action], [data-range]');
    const range = Number(el?.getAttribute('data-range'));
    if (range) this.#zoomTo(range);
    const action = el?.getAttribute('data-action');
    if (action) this.act(action);
  }

  /** @param {string} action */
  act(action) {
    const { engine } = this;
    const past = (/** @type {() => void} */ f) => () => { if (!this.isLive) f(); };
    ({
      toggle: () => this.#toggle(),
      slower: past(() => engine.shift(-1)), faster: past(() => engine.shift(1)),
      'frame-before': () => this.#step(-1), 'frame-after': () => this.#step(1),
      live: () => this.golive(),
      back: () => this.pick(this.at - skip, true), forward: () => this.pick(this.at + skip, true),
      hurry: () => this.pick(this.at + hurry, true), unhurry: () => this.pick(this.at - hurry, true),
      full: () => this.#full(),
      'event-before': () => this.beside(-1), 'event-after': () => this.beside(1),
      calendar: () => this.#calendar?.toggle(this.at),
      'zoom-in': () => this.line.zoom(0.5), 'zoom-out': () => this.line.zoom(2),
      keys: () => this.part('keys').showModal(),
      'keys-end': () => this.part('keys').close(),
      ...this.actions,
    })[action]?.();
    this.tick();
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    const typing = /** @type {Element} */ (e.target).closest?.('input, select, textarea, summary, [role="slider"], dialog[data-part="keys"]');
    if (typing || e.ctrlKey || e.altKey || e.metaKey) return;
    const button = /** @type {Element} */ (e.target).closest?.('button, a');
    if (button && (e.key === ' ' || e.key === 'Enter')) return;
    if (/^[1-9]$/.test(e.key)) {
      this.camera(Number(e.key) - 1);
      return;
    }
    const act = {
      ' ': 'toggle', k: 'toggle', j: 'slower', l: 'faster', arrowleft: 'unhurry', arrowright: 'hurry', ',': 'frame-before', '.': 'frame-after',
      '[': 'mark-in', ']': 'mark-out', e: 'export', s: 'snapshot', p: 'event-before', n: 'event-after', f: 'full', m: 'mute', g: 'grid',
      z: e.shiftKey ? 'smaller' : 'larger', 0: 'whole', '+': 'zoom-in', '-': 'zoom-out', '?': 'keys',
    }[e.key.toLowerCase()];
    if (!act) return;
    e.preventDefault();
    this.act(act);
  }

  /** Shows another camera. @param {number} _i its place */
  camera(_i) {}

  #toggle() {
    // To stop the live picture means to look at this moment.
    if (this.isLive) this.pick(Date.now() - hurry, true, false);
    else this.engine.toggle();
  }

  /** @param {number} way */
  #step(way) {
    if (this.isLive) this.#toggle();
    else this.engine.step(way);
  }

  /** @param {number} rate */
  #setRate(rate) {
    this.engine.setRate(rate);
    this.part('speed').value = String(rate);
  }

  #full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.part('stage')?.requestFullscreen?.().catch(() => {});
  }

  /** Plays the event before or after what is shown. @param {number} way 1 or -1 */
  async beside(way) {
    const start = await besideEvent(this.eventsOf, this.at, way, this.view).catch(() => null);
    if (start !== null) this.pick(start - lead, true);
  }
}
