// <lares-camera>: one camera's page: its picture of now or of a time, what moved
// that day, and what of it to keep.
import { json } from './api.js';
import { Clip, save } from './clip.js';
import { DayEvents } from './dayevents.js';
import { Desk } from './desk.js';
import { lead } from './eventlist.js';
import { hm, midnight, t } from './text.js';
import { Zoom } from './zoom.js';

const refresh = 10e3; // ms between looks at a day that is not over
const settled = 1500; // ms until an event that ended is in the list
const mostRows = 500;

export class LaresCamera extends Desk {
  #id = '';
  #live = /** @type {any} */ (null);
  #player = /** @type {any} */ (null);
  #search = /** @type {any} */ (null);
  #events = /** @type {any} */ (null);
  #clip = /** @type {Clip | null} */ (null);
  #zoom = /** @type {any} */ (null);
  #day = 0; // whose events are listed
  #listed = '';
  #looked = 0; // when the list was fetched
  #timers = /** @type {number[]} */ ([]);

  connectedCallback() {
    this.#id = this.getAttribute('camera') ?? '';
    this.#live = this.querySelector('lares-live');
    this.#player = this.querySelector('lares-player');
    this.#search = this.part('search');
    super.connectedCallback();
    const { signal } = this.leave;
    this.listen(this.#player);
    this.#zoom = new Zoom(this.part('stage'), this.part('zoomed'), signal);
    this.#events = new DayEvents(this.part('events'), this.part('events-said'), this.#id, (at) => this.pick(at, true));
    this.#clip = new Clip(this.part('export'), this.#id, () => this.#player.quality, (marked) => {
      this.line.marked = marked;
      this.line.draw();
    });
    this.#motion(signal);
    this.#player.addEventListener('lares-locked', (/** @type {CustomEvent} */ e) => this.#veil(e.detail), { signal });
    this.#player.addEventListener('lares-nothing', (/** @type {CustomEvent} */ e) => this.#nothing(e.detail), { signal });
    this.addEventListener('lares-codec', (e) => this.#codec(/** @type {CustomEvent} */ (e).detail), { signal });
    this.part('quality')?.addEventListener('change', (/** @type {any} */ e) => this.#setQuality(e.target.value), { signal });
    this.part('list').addEventListener('toggle', () => this.#list(), { signal });
    this.line.addEventListener('lares-known', () => this.#list(), { signal });
    this.#timers = [window.setInterval(() => this.#again(), refresh)];
    this.begin();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const timer of this.#timers) clearInterval(timer);
  }

  get engine() { return this.#player; }
  get eventsOf() { return this.#id; }

  get actions() {
    return {
      mute: () => this.#sound(),
      search: () => this.#searching(),
      'search-end': () => this.#searching(false),
      'mark-in': () => this.#clip?.mark('from', this.at),
      'mark-out': () => this.#clip?.mark('to', this.at),
      'mark-none': () => this.#clip?.clear(),
      export: () => this.#clip?.open(this.at),
      snapshot: () => this.#snapshot(),
      grid: () => location.assign(this.isLive ? '/' : `/?t=${Math.floor(this.at)}`),
      larger: () => this.#zoom.by(1.5), smaller: () => this.#zoom.by(1 / 1.5), whole: () => this.#zoom.reset(),
    };
  }

  /** @param {boolean} live */
  show(live) {
    this.#live.hidden = !live;
    this.#live.toggleAttribute('paused', !live);
    this.#player.hidden = live;
    this.part('veil').hidden = true;
  }

  /** @param {number} i */
  camera(i) {
    const id = (this.getAttribute('cameras') ?? '').split(',')[i];
    if (id && id !== this.#id) location.assign(`/cameras/${id}${this.isLive ? '' : `?t=${Math.floor(this.at)}`}`);
  }

  picked() { this.part('veil').hidden = true; }

  tick() {
    super.tick();
    const day = midnight(this.at);
    if (day !== this.#day && this.#events) {
      this.#day = day;
      this.#events.clear();
      this.#loadEvents();
      if (!this.#search.hidden) this.#searching(false);
    }
    this.#events?.mark(this.isLive ? NaN : this.at);
  }

  /** @param {string} time */
  clock(time) { this.part('clock').textContent = time || t('js.live'); }

  /** @param {AbortSignal} signal */
  #motion(signal) {
    Object.assign(this.#search, { camera: this.#id, span: () => [midnight(this.at), midnight(this.at, 1)] });
    this.#search.addEventListener('lares-play', (/** @type {CustomEvent} */ e) => this.pick(e.detail, true), { signal });
    this.#search.addEventListener('lares-found', (/** @type {CustomEvent} */ e) => {
      this.line.found = e.detail;
      this.line.draw();
    }, { signal });
    document.addEventListener('lares-happening', (e) => {
      const { kind, camera } = /** @type {CustomEvent} */ (e).detail;
      if (kind === 'motion-ended' && camera === this.#id) setTimeout(() => this.#loadEvents(), settled);
    }, { signal });
  }

  /** @param {boolean} [open] */
  #searching(open = this.#search.hidden) {
    this.querySelector('[data-action="search"]')?.setAttribute('aria-expanded', String(open));
    this.#zoom.reset();
    if (open) this.#search.open(this.part('stage'));
    else this.#search.close();
  }

  async #loadEvents() {
    if (this.hasAttribute('live-only')) return;
    if (!(await this.#events.load(this.#day, midnight(this.#day, 1)))) return;
    this.line.events = this.#events.list;
    this.line.draw();
  }

  #again() {
    if (document.visibilityState !== 'visible') return;
    if (this.isLive) this.line.refresh();
    this.#list();
  }

  /** The same as the time line's day, as a list with buttons. */
  async #list() {
    if (!this.part('list').open) return;
    const key = `${midnight(this.at)}`;
    if (key === this.#listed && Date.now() - this.#looked < refresh) return;
    this.#listed = key;
    this.#looked = Date.now();
    const [from, to] = [midnight(this.at), midnight(this.at, 1)];
    const got = await json(`/api/v1/cameras/${this.#id}/timeline?from=${from}&to=${to}`).catch(() => null);
    if (!got) return;
    const rows = [
      ...got.spans.map((/** @type {[number, number]} */ [start, end]) => this.#row(start, t('js.span', { from: hm(start), to: hm(end) }), true)),
      ...got.gaps.map((/** @type {any} */ g) => this.#row(g.from, gapText(g), false)),
    ].sort((a, b) => a.at - b.at).slice(0, mostRows);
    const old = this.part('spans');
    if (old.textContent === rows.map((r) => r.li.textContent).join('') && rows.length) return; // somebody may be at one of them
    old.replaceChildren(...rows.map((r) => r.li));
    if (rows.length === 0) old.textContent = t('js.none_day');
  }

  /** @param {number} at @param {string} text @param {boolean} footage */
  #row(at, text, footage) {
    const li = document.createElement('li');
    li.textContent = text;
    if (!footage) {
      li.className = 'gap';
      return { at, li };
    }
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.addEventListener('click', () => this.pick(at, true));
    li.replaceChildren(button);
    return { at, li };
  }

  /** Keeps the picture that is shown. */
  #snapshot() {
    if (this.part('export').hidden) return;
    const video = (this.isLive ? this.#live : this.#player).querySelector('video');
    if (!video?.videoWidth) return;
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    const name = `${this.querySelector('h1')?.textContent} ${new Date(this.at).toISOString().slice(0, 19).replaceAll(':', '.')}.png`;
    canvas.toBlob((blob) => {
      const url = URL.createObjectURL(/** @type {Blob} */ (blob));
      save(url, name);
      setTimeout(() => URL.revokeObjectURL(url), 60e3);
    }, 'image/png');
  }

  /** @param {string} quality */
  #setQuality(quality) {
    this.#live.setAttribute('quality', quality);
    this.#player.quality = quality;
    if (!this.isLive) this.#player.seek(this.at);
  }

  #sound() {
    if (!this.hasAttribute('has-sound')) return;
    const on = !this.#live.hasAttribute('sound');
    this.#live.toggleAttribute('sound', on);
    this.#player.muted = !on;
    this.part('icon-sound').hidden = !on;
    this.part('icon-mute').hidden = on;
    this.querySelector('[data-action="mute"]')?.setAttribute('aria-pressed', String(on));
  }

  /** @param {number} at */
  #nothing(at) {
    const gap = this.line.gapAt(at);
    this.part('clock').textContent = gap ? t('js.nothing', { cause: t(`cause.${gap.cause}`) }) : t('js.empty');
  }

  /** @param {string} text */
  #veil(text) {
    this.#player.pause();
    this.part('veil-text').textContent = text;
    const back = `${location.pathname}?t=${Math.floor(this.at)}`;
    this.part('veil-link').href = `/unlock?next=${encodeURIComponent(back)}`;
    this.part('veil').hidden = false;
  }

  /** @param {string} text */
  #codec(text) {
    const select = this.part('quality');
    if (select) select.value = 'sub';
    this.part('note').textContent = text;
    this.part('note').hidden = false;
  }
}

/** @param {{from: number, to: number, cause: string, detail: string}} g */
function gapText(g) {
  const cause = t(`cause.${g.cause}`) + (g.detail ? ` (${g.detail})` : '');
  return g.to ? t('js.gap', { from: hm(g.from), to: hm(g.to), cause }) : t('js.gap_open', { from: hm(g.from), cause });
}

customElements.define('lares-camera', LaresCamera);
