// <lares-camera>: one camera's page. It owns what is shown: live or a time.
import { Refusal, ask, json } from './api.js';
import { DayEvents } from './dayevents.js';
import { lead } from './eventlist.js';
import { date, dateValue, hm, hms, localValue, midnight, t } from './text.js';

const hour = 3600e3;
const longest = 2 * hour; // of a clip
const refresh = 10e3; // ms between looks at a day that is not over
const wish = 'lares-save'; // the clip to save after the password
const settled = 1500; // ms until an event that ended is in the list

export class LaresCamera extends HTMLElement {
  #id = '';
  #live = /** @type {any} */ (null);
  #player = /** @type {any} */ (null);
  #day = /** @type {any} */ (null);
  #hour = /** @type {any} */ (null);
  #search = /** @type {any} */ (null);
  #events = /** @type {any} */ (null);
  #at = Date.now(); // the time that is shown
  #scrubbing = false;
  /** @type {number | null} */
  #wanted = null; // the time to scrub to next
  #loaded = '';
  /** @type {number | undefined} */
  #timer;
  #stop = new AbortController();

  connectedCallback() {
    this.#id = this.getAttribute('camera') ?? '';
    this.#live = this.querySelector('lares-live');
    this.#player = this.querySelector('lares-player');
    this.#day = this.#part('day');
    this.#hour = this.#part('hour');
    this.#search = this.#part('search');
    this.#events = new DayEvents(this.#part('events'), this.#part('events-said'), this.#id, (at) => this.#pick(at, true));
    const { signal } = this.#stop;
    this.#motion(signal);
    this.addEventListener('click', (e) => this.#click(e), { signal });
    document.addEventListener('keydown', (e) => this.#key(e), { signal });
    for (const ruler of [this.#day, this.#hour]) {
      ruler.addEventListener('lares-pick', (/** @type {CustomEvent} */ e) => this.#pick(e.detail.at, e.detail.done), { signal });
      ruler.addEventListener('lares-hover', (/** @type {CustomEvent} */ e) => this.#hover(ruler, e.detail.at), { signal });
    }
    this.#player.addEventListener('lares-time', () => this.#tick(), { signal });
    this.#player.addEventListener('lares-locked', (/** @type {CustomEvent} */ e) => this.#veil(e.detail), { signal });
    this.#player.addEventListener('lares-nothing', (/** @type {CustomEvent} */ e) => this.#nothing(e.detail), { signal });
    this.#player.addEventListener('lares-end', () => this.#golive(), { signal });
    this.addEventListener('lares-codec', (e) => this.#codec(/** @type {CustomEvent} */ (e).detail), { signal });
    this.#part('speed').addEventListener('change', (/** @type {any} */ e) => this.#setRate(Number(e.target.value)), { signal });
    this.#part('quality')?.addEventListener('change', (/** @type {any} */ e) => this.#setQuality(e.target.value), { signal });
    this.#part('date').addEventListener('change', (/** @type {any} */ e) => this.#pickDate(e.target.value), { signal });
    this.#part('export-form').addEventListener('submit', (/** @type {Event} */ e) => this.#export(e), { signal });
    this.#part('export').addEventListener('toggle', () => this.#suggest(), { signal });
    this.#timer = window.setInterval(() => this.#second(), 1000);
    const wished = Number(new URLSearchParams(location.search).get('t'));
    this.#mode('live');
    this.#showDay(wished > 0 ? wished : Date.now());
    if (wished > 0) this.#pick(wished, true);
    if (new URLSearchParams(location.search).has('save')) this.#saveWished();
  }

  disconnectedCallback() {
    this.#stop.abort();
    clearInterval(this.#timer);
  }

  /** @param {AbortSignal} signal */
  #motion(signal) {
    Object.assign(this.#search, { camera: this.#id, span: () => [this.#day.from, this.#day.to] });
    this.#search.addEventListener('lares-play', (/** @type {CustomEvent} */ e) => this.#pick(e.detail, true), { signal });
    this.#search.addEventListener('lares-found', (/** @type {CustomEvent} */ e) => {
      for (const ruler of [this.#day, this.#hour]) ruler.found = e.detail;
      this.#rulers();
    }, { signal });
    document.addEventListener('lares-happening', (e) => {
      const { kind, camera } = /** @type {CustomEvent} */ (e).detail;
      if (kind === 'motion-ended' && camera === this.#id) setTimeout(() => this.#loadEvents(), settled);
    }, { signal });
  }

  /** @param {boolean} [open] */
  #searching(open = this.#search.hidden) {
    this.querySelector('[data-action="search"]')?.setAttribute('aria-expanded', String(open));
    if (open) this.#search.open(this.#part('stage'));
    else this.#search.close();
  }

  /** Plays the event before or after what is shown. @param {number} way 1 or -1 */
  #beside(way) {
    const start = this.#events.beside(this.#at, way);
    if (start !== null) this.#pick(start - lead, true);
  }

  /** @param {string} name @returns {any} */
  #part(name) { return this.querySelector(`[data-part="${name}"]`); }

  get #isLive() { return this.dataset.mode === 'live'; }

  /** @param {'live' | 'past'} mode */
  #mode(mode) {
    this.dataset.mode = mode;
    const live = mode === 'live';
    this.#live.hidden = !live;
    this.#live.toggleAttribute('paused', !live);
    this.#player.hidden = live;
    this.#part('veil').hidden = true;
    this.querySelector('[data-action="live"]')?.setAttribute('aria-pressed', String(live));
    if (live) this.#player.close();
    this.#tick();
  }

  #golive() {
    this.#setRate(1);
    this.#mode('live');
    this.#showDay(Date.now());
  }

  /** @param {Event} e */
  #click(e) {
    const action = /** @type {Element} */ (e.target).closest('[data-action]')?.getAttribute('data-action');
    if (action) this.#act(action);
  }

  /** @param {string} action */
  #act(action) {
    const at = this.#at;
    ({
      toggle: () => this.#toggle(),
      live: () => this.#golive(),
      back: () => this.#pick(at - 10e3, true),
      forward: () => this.#pick(at + 10e3, true),
      full: () => this.#full(),
      mute: () => this.#sound(),
      'event-before': () => this.#beside(-1),
      'event-after': () => this.#beside(1),
      search: () => this.#searching(),
      'search-end': () => this.#searching(false),
      today: () => this.#showDay(Date.now()),
      'day-before': () => this.#showDay(midnight(this.#day.from, -1)),
      'day-after': () => this.#showDay(midnight(this.#day.from, 1)),
      'mark-in': () => { this.#part('export-form').elements.from.value = localValue(at); },
      'mark-out': () => { this.#part('export-form').elements.to.value = localValue(at); },
    })[action]?.();
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    const typing = /** @type {Element} */ (e.target).closest?.('input, select, textarea, summary, a, [role="slider"]');
    if (typing || e.ctrlKey || e.altKey || e.metaKey) return;
    const button = /** @type {Element} */ (e.target).closest?.('button');
    if (button && (e.key === ' ' || e.key === 'Enter')) return;
    const act = {
      ' ': () => this.#toggle(), k: () => this.#toggle(),
      j: () => this.#shift(-1), l: () => this.#shift(1),
      arrowleft: () => this.#pick(this.#at - 5e3, true), arrowright: () => this.#pick(this.#at + 5e3, true),
      ',': () => this.#step(-1), '.': () => this.#step(1),
      p: () => this.#beside(-1), n: () => this.#beside(1),
      f: () => this.#full(), m: () => this.#sound(),
    }[e.key.toLowerCase()];
    if (!act) return;
    e.preventDefault();
    act();
  }

  #toggle() {
    if (this.#isLive) {
      // To stop the live picture means to look at this moment.
      this.#pick(Date.now() - 5e3, true, false);
      return;
    }
    this.#player.toggle();
  }

  /** @param {number} way */
  #shift(way) {
    if (this.#isLive) return;
    this.#player.shift(way);
    this.#tick();
  }

  /** @param {number} way */
  #step(way) {
    if (!this.#isLive) this.#player.step(way);
  }

  /** @param {number} rate */
  #setRate(rate) {
    this.#player.setRate(rate);
    this.#part('speed').value = String(rate);
  }

  /** @param {string} quality */
  #setQuality(quality) {
    this.#live.setAttribute('quality', quality);
    this.#player.quality = quality;
    if (!this.#isLive) this.#player.seek(this.#at);
  }

  #sound() {
    if (!this.hasAttribute('has-sound')) return;
    const on = !this.#live.hasAttribute('sound');
    this.#live.toggleAttribute('sound', on);
    this.#player.muted = !on;
    this.#part('icon-sound').hidden = !on;
    this.#part('icon-mute').hidden = on;
    this.querySelector('[data-action="mute"]')?.setAttribute('aria-pressed', String(on));
  }

  #full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.querySelector('.stage')?.requestFullscreen?.().catch(() => {});
  }

  /**
   * Shows a time. While somebody drags, only key frames are asked for, and
   * always the newest wish.
   * @param {number} at @param {boolean} done @param {boolean} [play]
   */
  async #pick(at, done, play = true) {
    if (at >= Date.now() - 1500) {
      if (done) this.#golive();
      return;
    }
    if (this.#isLive) this.#mode('past');
    this.#part('veil').hidden = true;
    this.#at = at;
    if (midnight(at) !== this.#day.from) this.#showDay(at);
    this.#rulers();
    this.#wanted = at;
    if (done) {
      this.#wanted = null;
      if (play) this.#player.play(); else this.#player.pause();
      this.#player.seek(this.#overGap(at));
      return;
    }
    if (this.#scrubbing) return;
    this.#scrubbing = true;
    this.#player.pause();
    while (this.#wanted !== null) {
      const next = this.#wanted;
      this.#wanted = null;
      await this.#player.seek(next, { scrub: true });
    }
    this.#scrubbing = false;
  }

  /** In a gap: where recording goes on. @param {number} at */
  #overGap(at) {
    const spans = /** @type {[number, number][]} */ (this.#day.spans);
    if (spans.some(([from, to]) => at >= from && at < to)) return at;
    return spans.find(([from]) => from > at)?.[0] ?? at;
  }

  /** @param {number} at */
  #nothing(at) {
    const gap = this.#day.gapAt(at);
    this.#part('clock').textContent = gap ? t('js.nothing', { cause: t(`cause.${gap.cause}`) }) : t('js.empty');
  }

  /** @param {string} text */
  #veil(text) {
    this.#player.pause();
    this.#part('veil-text').textContent = text;
    const back = `${location.pathname}?t=${Math.floor(this.#at)}`;
    this.#part('veil-link').href = `/unlock?next=${encodeURIComponent(back)}`;
    this.#part('veil').hidden = false;
  }

  /** @param {string} text */
  #codec(text) {
    const select = this.#part('quality');
    if (select) select.value = 'sub';
    this.#part('note').textContent = text;
    this.#part('note').hidden = false;
  }

  /** Shows what the clock says now. */
  #tick() {
    const playing = this.#isLive || this.#player.playing;
    this.#part('icon-play').hidden = playing;
    this.#part('icon-pause').hidden = !playing;
    this.#part('speed').value = String(this.#player.rate);
    if (this.#isLive) {
      this.#at = Date.now();
      this.#part('clock').textContent = t('js.live');
    } else if (this.#player.now > 1e6) {
      if (!this.#scrubbing) this.#at = this.#player.now;
      this.#part('clock').textContent = `${date(this.#at)}, ${hms(this.#at)}`;
    }
    this.#rulers();
  }

  #second() {
    if (document.visibilityState !== 'visible') return;
    if (this.#isLive) this.#tick();
    if (Date.now() >= this.#day.from && Date.now() - this.#fetched > refresh && this.#day.to > Date.now() - refresh) this.#load();
  }

  /** Moves both hands, and the fine ruler to the hour that is shown. */
  #rulers() {
    const middle = this.#at >= this.#day.from && this.#at < this.#day.to ? this.#at : this.#day.from + hour / 2;
    const from = this.#day.from + Math.floor((middle - this.#day.from) / hour) * hour;
    Object.assign(this.#hour, { from, to: from + hour, cursor: this.#at });
    Object.assign(this.#day, { cursor: this.#at, window: [from, from + hour] });
    this.#day.draw();
    this.#hour.draw();
    this.#events.mark(this.#isLive ? NaN : this.#at);
  }

  /** @param {any} ruler @param {number} at */
  #hover(ruler, at) {
    const out = this.#part('hover');
    if (Number.isNaN(at)) {
      out.textContent = '';
      return;
    }
    const gap = ruler.gapAt(at);
    out.textContent = hms(at) + (gap ? `: ${t(`cause.${gap.cause}`)}` : '');
  }

  /** @param {string} value of the date input */
  #pickDate(value) {
    const [y, m, d] = value.split('-').map(Number);
    if (d) this.#showDay(new Date(y, m - 1, d).getTime());
  }

  #fetched = 0;

  /** @param {number} at a time of the day */
  #showDay(at) {
    const from = Math.min(midnight(at), midnight(Date.now()));
    const to = midnight(from, 1);
    if (from !== this.#day.from) {
      for (const ruler of [this.#day, this.#hour]) Object.assign(ruler, { spans: [], gaps: [], density: [], events: [], found: [] });
      this.#loaded = '';
      this.#events.clear();
      if (!this.#search.hidden) this.#searching(false);
    }
    Object.assign(this.#day, { from, to });
    this.#part('date').value = dateValue(from);
    this.#part('date').max = dateValue(Date.now());
    this.querySelector('[data-action="today"]')?.toggleAttribute('hidden', to > Date.now());
    this.querySelector('[data-action="day-after"]')?.toggleAttribute('disabled', to > Date.now());
    this.#rulers();
    this.#load();
    this.#loadEvents();
  }

  async #loadEvents() {
    if (this.hasAttribute('live-only')) return;
    const { from, to } = this.#day;
    if (!(await this.#events.load(from, to))) return;
    for (const ruler of [this.#day, this.#hour]) ruler.events = this.#events.list;
    this.#rulers();
  }

  async #load() {
    if (this.hasAttribute('live-only')) return;
    const { from, to } = this.#day;
    this.#fetched = Date.now();
    const [got, moved] = await Promise.all(['timeline', 'density'].map(
      (what) => json(`/api/v1/cameras/${this.#id}/${what}?from=${from}&to=${to}`).catch(() => null)));
    if (!got || from !== this.#day.from) return;
    for (const ruler of [this.#day, this.#hour]) ruler.density = moved?.density ?? [];
    const gaps = got.gaps.map((/** @type {any} */ g) => ({ ...g, to: g.to || Date.now() }));
    for (const ruler of [this.#day, this.#hour]) Object.assign(ruler, { spans: got.spans, gaps });
    this.#rulers();
    this.#list(got);
  }

  /** The same as the ruler, as a list with buttons. @param {{spans: [number, number][], gaps: any[]}} got */
  #list({ spans, gaps }) {
    const rows = [
      ...spans.map(([from, to]) => ({ from, text: t('js.span', { from: hm(from), to: hm(to) }), gap: false })),
      ...gaps.map((g) => ({ from: g.from, gap: true, text: gapText(g) })),
    ].sort((a, b) => a.from - b.from).slice(0, 500);
    const key = rows.map((r) => r.text).join('|');
    if (key === this.#loaded) return;
    this.#loaded = key;
    this.#part('spans').replaceChildren(...rows.map((row) => this.#row(row)));
    if (rows.length === 0) this.#part('spans').textContent = t('js.none_day');
  }

  /** @param {{from: number, text: string, gap: boolean}} row */
  #row({ from, text, gap }) {
    const li = document.createElement('li');
    if (gap) {
      li.className = 'gap';
      li.textContent = text;
      return li;
    }
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.addEventListener('click', () => this.#pick(Math.max(from, this.#day.from), true));
    li.append(button);
    return li;
  }

  /** Offers the minute around what is shown. */
  #suggest() {
    const { from, to } = this.#part('export-form').elements;
    if (from.value && to.value) return;
    const middle = Math.min(this.#at, Date.now() - 30e3);
    from.value = localValue(middle - 30e3);
    to.value = localValue(middle + 30e3);
  }

  /** Goes on with the clip that was asked for before the password. */
  #saveWished() {
    history.replaceState(null, '', location.pathname);
    const { from, to } = JSON.parse(sessionStorage.getItem(wish) ?? '{}');
    sessionStorage.removeItem(wish);
    if (!from) return;
    const form = this.#part('export-form');
    form.elements.from.value = localValue(from);
    form.elements.to.value = localValue(to);
    this.#part('export').open = true;
    form.requestSubmit();
  }

  /** @param {Event} e */
  async #export(e) {
    e.preventDefault();
    const form = /** @type {HTMLFormElement} */ (e.target);
    const said = this.#part('export-error');
    const data = new FormData(form);
    const [from, to] = ['from', 'to'].map((n) => new Date(String(data.get(n))).getTime());
    const quality = this.#player.quality;
    const url = `/api/v1/cameras/${this.#id}/export.mp4?from=${from}&to=${to}&quality=${quality}`;
    const button = /** @type {HTMLButtonElement} */ (form.querySelector('button:not([type])'));
    said.hidden = true;
    button.disabled = true;
    try {
      if (!(to > from && to - from <= longest)) throw new Error(t('js.range'));
      await (await ask(url, { headers: { Range: 'bytes=0-0' } })).arrayBuffer(); // says what is wrong before the browser saves it
      const link = document.createElement('a');
      link.href = url;
      link.download = '';
      link.click();
    } catch (err) {
      if (err instanceof Refusal && err.code === 'step-up') {
        sessionStorage.setItem(wish, JSON.stringify({ from, to }));
        location.assign(`/prove?next=${encodeURIComponent(`${location.pathname}?save`)}`);
        return;
      }
      said.textContent = /** @type {Error} */ (err).message;
      said.hidden = false;
    }
    button.disabled = false;
  }
}

/** @param {{from: number, to: number, cause: string, detail: string}} g */
function gapText(g) {
  const cause = t(`cause.${g.cause}`) + (g.detail ? ` (${g.detail})` : '');
  return g.to ? t('js.gap', { from: hm(g.from), to: hm(g.to), cause }) : t('js.gap_open', { from: hm(g.from), cause });
}

customElements.define('lares-camera', LaresCamera);
