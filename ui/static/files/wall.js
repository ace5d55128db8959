// <lares-wall>: all cameras at once, live or at one time. A click on one shows
// its large picture alone, over the others, which go on.
import { Chorus } from './chorus.js';
import { Desk } from './desk.js';

const rest = 4000; // ms after which the pointer goes away in kiosk mode

export class LaresWall extends Desk {
  #chorus = new Chorus((at) => (this.line.knows(at) ? this.line.next(at) : Infinity), () => this.#locked());
  #alone = ''; // the camera that is shown large
  #idle = 0;

  connectedCallback() {
    if (this.hasAttribute('kiosk')) this.#kiosk();
    super.connectedCallback();
    const { signal } = this.leave;
    this.listen(this.#chorus);
    for (const tile of this.#tiles) this.line.names.set(tile.dataset.camera, tile.querySelector('strong')?.textContent ?? '');
    const dialog = this.part('alone');
    this.addEventListener('click', (e) => this.#open(e), { signal });
    dialog.addEventListener('close', () => this.#closed(), { signal });
    addEventListener('popstate', () => { if (this.#alone) dialog.close(); }, { signal });
    this.begin();
    if (new URLSearchParams(location.search).has('t')) this.#recordings(true);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.#idle);
  }

  get engine() { return this.#chorus; }

  get actions() {
    return {
      recordings: () => this.#recordings(this.part('past').hidden),
      'alone-end': () => this.part('alone').close(),
      'alone-full': () => {
        if (document.fullscreenElement) document.exitFullscreen();
        else this.part('alone-stage').requestFullscreen?.().catch(() => {});
      },
      'alone-page': () => location.assign(`/cameras/${this.#alone}${this.isLive ? '' : `?t=${Math.floor(this.at)}`}`),
      grid: () => this.part('alone').close(),
      search: () => {},
    };
  }

  /** @returns {HTMLElement[]} */
  get #tiles() { return [...this.querySelectorAll('.tile')].map((el) => /** @type {HTMLElement} */ (el)); }

  /** @param {boolean} live */
  show(live) {
    for (const tile of this.#tiles) {
      const view = /** @type {HTMLElement} */ (tile.querySelector('lares-live'));
      view.hidden = !live;
      view.toggleAttribute('paused', !live);
    }
    if (live || this.#chorus.players.length) return;
    this.#chorus.take(this.#tiles.filter((tile) => this.line.cameras.includes(tile.dataset.camera)).map((tile) => {
      const player = document.createElement('lares-player');
      player.setAttribute('camera', tile.dataset.camera ?? '');
      player.setAttribute('quality', 'sub');
      player.setAttribute('in-step', '');
      tile.prepend(player);
      return player;
    }));
  }

  picked() { if (this.part('past').hidden) this.#recordings(true); }

  /** @param {string} time */
  clock(time) {
    const clock = this.part('clock');
    if (!clock) return;
    clock.textContent = time;
    clock.hidden = !time;
  }

  /** @param {number} i */
  camera(i) {
    const tile = this.#tiles[i];
    if (tile) this.#large(tile);
  }

  /** @param {boolean} open */
  #recordings(open) {
    this.part('past').hidden = !open;
    this.toggleAttribute('data-past', open);
    this.querySelector('[data-action="recordings"]')?.setAttribute('aria-expanded', String(open));
    if (!open) this.golive();
    else this.line.refresh();
  }

  /** @param {MouseEvent} e */
  #open(e) {
    const tile = /** @type {HTMLElement | null} */ (/** @type {Element} */ (e.target).closest('.tile'));
    if (!tile || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
    e.preventDefault();
    this.#large(tile);
  }

  /** Shows a camera alone; the others go on behind it. @param {HTMLElement} tile */
  #large(tile) {
    const dialog = this.part('alone');
    const id = tile.dataset.camera ?? '';
    if (!this.isLive) {
      location.assign(`/cameras/${id}?t=${Math.floor(this.at)}`);
      return;
    }
    const before = this.#alone;
    this.#alone = id;
    const live = document.createElement('lares-live');
    live.setAttribute('camera', id);
    live.setAttribute('quality', 'main');
    live.toggleAttribute('has-sub', tile.hasAttribute('has-sub'));
    this.part('alone-stage').replaceChildren(live);
    /** @type {any} */ (live).borrow(tile.querySelector('lares-live'));
    this.part('alone-name').textContent = this.line.names.get(id);
    this.part('alone-page').href = `/cameras/${id}`;
    if (dialog.open) return;
    dialog.showModal();
    if (!before) history.pushState({ alone: id }, '');
  }

  #closed() {
    this.#alone = '';
    this.part('alone-stage').replaceChildren();
    if (history.state?.alone) history.back();
  }

  #locked() { location.assign(`/unlock?next=${encodeURIComponent(`/?t=${Math.floor(this.at)}`)}`); }

  /** Keeps the screen on and hides the pointer. */
  #kiosk() {
    const { signal } = this.leave;
    const wake = () => {
      if (document.visibilityState === 'visible') navigator.wakeLock?.request('screen').catch(() => {});
    };
    const moved = () => {
      document.documentElement.removeAttribute('data-idle');
      clearTimeout(this.#idle);
      this.#idle = window.setTimeout(() => document.documentElement.setAttribute('data-idle', ''), rest);
    };
    document.addEventListener('visibilitychange', wake, { signal });
    document.addEventListener('pointermove', moved, { signal });
    wake();
    moved();
  }
}

customElements.define('lares-wall', LaresWall);
