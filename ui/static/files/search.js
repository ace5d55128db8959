// <lares-search>: draw a box in the picture, get the times at which something
// moved in it. camera.js says which picture and which day.
import { json, randomID } from './api.js';
import { layOver, part, pictureRect, placeIn } from './picture.js';
import { hms, t } from './text.js';

const least = 0.02; // of the picture: what is smaller was a click
const early = 2000; // ms before a find at which playing begins
const mostRows = 500;

export class LaresSearch extends HTMLElement {
  camera = '';
  /** @type {() => [number, number]} the day that is shown */
  span = () => [0, 1];
  #view = randomID();
  #stage = /** @type {HTMLElement | null} */ (null);
  #sheet = document.createElement('div'); // takes the pointer while the box is drawn
  #frame = document.createElement('div');
  /** @type {import('./picture.js').Box} */
  #box = [0.25, 0.25, 0.5, 0.5];
  /** @type {[number, number] | null} */
  #from = null;
  #stop = new AbortController();
  #resize = new ResizeObserver(() => this.#lay());

  connectedCallback() {
    this.#sheet.className = 'sheet-over';
    this.#frame.className = 'search-box';
    this.#sheet.append(this.#frame);
    this.#sheet.addEventListener('pointerdown', (e) => this.#down(e));
    this.#sheet.addEventListener('pointermove', (e) => this.#move(e));
    this.#sheet.addEventListener('pointerup', (e) => this.#up(e));
    this.addEventListener('keydown', (e) => {
      if (e.key === 'Escape') /** @type {HTMLElement} */ (this.querySelector('[data-action="search-end"]')).click();
    });
    const form = this.#form;
    form.addEventListener('input', () => this.#typed());
    form.addEventListener('submit', (e) => {
      e.preventDefault();
      this.#search();
    });
  }

  /** @param {string} name @returns {any} */
  #part(name) { return this.querySelector(`[data-part="${name}"]`); }

  get #form() { return /** @type {HTMLFormElement} */ (this.#part('search-form')); }

  /** Begins to search in the picture of a stage. @param {HTMLElement} stage */
  open(stage) {
    this.#stage = stage;
    stage.append(this.#sheet);
    this.#resize.observe(stage);
    this.hidden = false;
    this.#write();
    this.#lay();
    this.#form.elements[/** @type {any} */ ('x')].focus({ preventScroll: true });
  }

  close() {
    this.#stop.abort();
    this.#resize.disconnect();
    this.#sheet.remove();
    this.hidden = true;
    this.#part('search-spans').replaceChildren();
    this.#part('search-said').textContent = '';
    this.#found([]);
  }

  #lay() {
    if (this.#stage) layOver(this.#frame, pictureRect(this.#stage), this.#box);
  }

  /** Shows the box in the four numbers. */
  #write() {
    for (const [i, name] of ['x', 'y', 'w', 'h'].entries()) {
      this.#form.elements[/** @type {any} */ (name)].value = String(Math.round(this.#box[i] * 100));
    }
  }

  #typed() {
    const [x, y, w, h] = ['x', 'y', 'w', 'h'].map((name) => part(Number(this.#form.elements[/** @type {any} */ (name)].value) / 100));
    this.#box = [x, y, Math.min(w, 1 - x), Math.min(h, 1 - y)];
    this.#lay();
  }

  /** @param {PointerEvent} e */
  #place(e) {
    const outer = /** @type {HTMLElement} */ (this.#stage).getBoundingClientRect();
    const r = pictureRect(/** @type {HTMLElement} */ (this.#stage));
    return placeIn(e, { left: outer.left + r.left, top: outer.top + r.top, width: r.width, height: r.height });
  }

  /** @param {PointerEvent} e */
  #down(e) {
    if (e.button !== 0) return;
    e.preventDefault();
    this.#sheet.setPointerCapture(e.pointerId);
    this.#from = this.#place(e);
  }

  /** @param {PointerEvent} e */
  #move(e) {
    if (!this.#from) return;
    const [x, y] = this.#place(e);
    const [x0, y0] = this.#from;
    if (Math.abs(x - x0) < least || Math.abs(y - y0) < least) return;
    this.#box = [Math.min(x, x0), Math.min(y, y0), Math.abs(x - x0), Math.abs(y - y0)];
    this.#write();
    this.#lay();
  }

  /** @param {PointerEvent} e */
  #up(e) {
    if (!this.#from) return;
    const before = this.#box;
    this.#move(e);
    const [x0, y0] = this.#from;
    this.#from = null;
    const [x, y] = this.#place(e);
    if (before !== this.#box || Math.abs(x - x0) >= least) this.#search();
  }

  async #search() {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const said = this.#part('search-said');
    const [from, to] = this.span();
    const [x, y, w, h] = this.#box.map((v) => v.toFixed(4));
    said.textContent = t('js.searching');
    try {
      const query = new URLSearchParams({ from: String(from), to: String(to), x, y, w, h, view: this.#view });
      const got = await json(`/api/v1/cameras/${this.camera}/search?${query}`, signal);
      this.#found(got.spans);
      said.textContent = got.spans.length ? t('js.found', { n: String(got.spans.length) }) : t('js.found_none');
      this.#part('search-spans').replaceChildren(...got.spans.slice(0, mostRows).map((/** @type {[number, number]} */ s) => this.#row(s)));
    } catch (err) {
      if (signal.aborted) return;
      said.textContent = /** @type {Error} */ (err).message;
      this.#part('search-spans').replaceChildren();
      this.#found([]);
    }
  }

  /** @param {[number, number][]} spans */
  #found(spans) { this.dispatchEvent(new CustomEvent('lares-found', { detail: spans })); }

  /** @param {[number, number]} span */
  #row([from, to]) {
    const li = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = t('js.box_moved', { from: hms(from), to: hms(to) });
    button.addEventListener('click', () => this.dispatchEvent(new CustomEvent('lares-play', { detail: from - early })));
    li.append(button);
    return li;
  }
}

customElements.define('lares-search', LaresSearch);
