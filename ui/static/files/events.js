// <lares-events>: the page of what moved. It fetches a page when the end of the
// list comes near, and only what is near the window is in the document, so that
// it stays quick however long the list is.
import { randomID, Refusal } from './api.js';
import { duration, events, fillEvent, lead } from './eventlist.js';
import { dateValue, short, t } from './text.js';

const chunk = 60; // events that come and go together: 1 to 6 columns share it evenly
const fields = ['camera', 'day', 'from', 'to', 'kind'];

/** @typedef {import('./eventlist.js').Stored} Stored */

export class LaresEvents extends HTMLElement {
  /** @type {Stored[]} */
  #all = [];
  /** @type {HTMLElement[]} */
  #chunks = [];
  #next = '';
  #ended = false;
  #busy = false;
  #focus = 0; // place in the list of what the keyboard is at
  #columns = 1;
  #row = 240; // px, with the gap
  #view = randomID();
  #names = new Map();
  #stop = new AbortController();
  #near = new IntersectionObserver((seen) => seen.forEach((s) => this.#turn(s)), { rootMargin: '150% 0px' });
  #end = new IntersectionObserver((seen) => { if (seen.at(-1)?.isIntersecting) this.#more(); }, { rootMargin: '100% 0px' });
  #resize = new ResizeObserver(() => this.#measure());
  #leave = new AbortController();

  connectedCallback() {
    for (const o of this.#filters.elements.camera.options) this.#names.set(o.value, o.textContent);
    this.#read();
    const { signal } = this.#leave;
    this.#filters.addEventListener('change', () => this.#changed(), { signal });
    this.#filters.addEventListener('submit', (/** @type {Event} */ e) => e.preventDefault(), { signal });
    this.#filters.addEventListener('reset', () => setTimeout(() => {
      this.#filters.elements.camera.value = '';
      this.#changed();
    }), { signal });
    this.#list.addEventListener('keydown', (e) => this.#key(e), { signal });
    this.#list.addEventListener('focusin', (e) => this.#focused(e), { signal });
    document.addEventListener('lares-happening', (e) => this.#heard(/** @type {CustomEvent} */ (e).detail), { signal });
    this.#part('fresh').addEventListener('click', () => this.#begin(), { signal });
    this.#resize.observe(this.#list);
    this.#begin();
  }

  disconnectedCallback() {
    this.#leave.abort();
    this.#stop.abort();
    for (const o of [this.#near, this.#end, this.#resize]) o.disconnect();
  }

  /** @param {string} name @returns {any} */
  #part(name) { return this.querySelector(`[data-part="${name}"]`); }

  get #list() { return /** @type {HTMLElement} */ (this.#part('list')); }

  /** @returns {any} the inputs by name */
  get #filters() { return this.#part('filters'); }

  /** Takes the filters from the address of the page. */
  #read() {
    const query = new URLSearchParams(location.search);
    for (const name of fields) if (query.has(name)) this.#filters.elements[name].value = query.get(name);
    this.#filters.elements.day.max = dateValue(Date.now());
    this.#times();
  }

  /** The times of day need a day. */
  #times() {
    for (const name of ['from', 'to']) this.#filters.elements[name].disabled = !this.#filters.elements.day.value;
  }

  #changed() {
    this.#times();
    const query = new URLSearchParams();
    for (const name of fields) {
      const { value, disabled } = this.#filters.elements[name];
      if (value && !disabled) query.set(name, value);
    }
    history.replaceState(null, '', query.size ? `?${query}` : location.pathname);
    this.#begin();
  }

  /** What to ask for. */
  #wish() {
    const { camera, kind, day, from, to } = this.#filters.elements;
    /** @type {Record<string, string | number>} */
    const wish = { camera: camera.value, kind: kind.value, limit: this.#all.length ? 3 * chunk : chunk, view: this.#view };
    if (!day.value) return wish;
    const [y, m, d] = day.value.split('-').map(Number);
    const [h, min] = (from.value || '0:0').split(':').map(Number);
    wish.from = new Date(y, m - 1, d, h, min).getTime();
    const [h2, min2] = (to.value || '24:0').split(':').map(Number);
    wish.to = new Date(y, m - 1, d, h2, min2).getTime();
    return wish;
  }

  #begin() {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#near.disconnect();
    this.#list.replaceChildren();
    this.#part('fresh').hidden = true;
    this.#part('unlock').hidden = true;
    this.#all = [];
    this.#chunks = [];
    this.#next = '';
    this.#focus = 0;
    this.#ended = this.#busy = false;
    this.#more();
  }

  async #more() {
    if (this.#busy || this.#ended) return;
    this.#busy = true;
    const { signal } = this.#stop;
    const said = this.#part('said');
    said.textContent = t('js.more_events');
    try {
      const got = await events({ ...this.#wish(), before: this.#next }, signal);
      if (signal.aborted) return;
      this.#append(got.events);
      this.#next = got.next;
      this.#ended = !got.next;
      said.textContent = !this.#ended ? '' : this.#all.length ? t('js.end_of_events') : this.#nothing();
    } catch (err) {
      if (signal.aborted) return;
      this.#ended = true;
      said.textContent = err instanceof Refusal ? err.message : t('js.offline');
      this.#part('unlock').hidden = !(err instanceof Refusal && err.code === 'locked');
    }
    this.#busy = false;
    // Somebody who scrolls fast may be at the end again already: ask anew where it is.
    this.#end.unobserve(said);
    if (!this.#ended) this.#end.observe(said);
  }

  #nothing() { return t(this.#filters.elements.day.value ? 'js.nothing_moved' : 'js.no_events'); }

  /** @param {Stored[]} more */
  #append(more) {
    const first = Math.floor(this.#all.length / chunk);
    this.#all.push(...more);
    for (let i = first; i * chunk < this.#all.length; i++) {
      if (this.#chunks[i]) {
        if (this.#chunks[i].firstChild) this.#fill(i);
        continue;
      }
      const el = document.createElement('div');
      el.className = 'chunk';
      el.dataset.i = String(i);
      this.#chunks.push(el);
      this.#fill(i);
      this.#list.append(el);
      this.#near.observe(el);
    }
    if (first === 0) this.#measure();
  }

  /** Draws a chunk. @param {number} i */
  #fill(i) {
    const el = this.#chunks[i];
    el.style.height = '';
    el.replaceChildren(...this.#all.slice(i * chunk, (i + 1) * chunk).map((e, k) => this.#card(e, i * chunk + k)));
  }

  /** Lets a chunk come or go. @param {IntersectionObserverEntry} seen */
  #turn(seen) {
    const i = Number(/** @type {HTMLElement} */ (seen.target).dataset.i);
    const el = this.#chunks[i];
    if (el !== seen.target) return; // of a list that is gone
    if (seen.isIntersecting && !el.firstChild) this.#fill(i);
    if (!seen.isIntersecting && el.firstChild && !el.contains(document.activeElement)) {
      el.replaceChildren();
      this.#space(i);
    }
  }

  /** Keeps the room of a chunk that is not drawn. @param {number} i */
  #space(i) {
    const rows = Math.ceil(Math.min(chunk, this.#all.length - i * chunk) / this.#columns);
    this.#chunks[i].style.height = `${rows * this.#row}px`;
  }

  #measure() {
    const card = /** @type {HTMLElement | null} */ (this.#list.querySelector('.chunk > *'));
    if (!card?.parentElement) return;
    const style = getComputedStyle(card.parentElement);
    this.#columns = style.gridTemplateColumns.split(' ').length;
    this.#row = card.offsetHeight + parseFloat(style.rowGap);
    for (const [i, el] of this.#chunks.entries()) if (!el.firstChild) this.#space(i);
  }

  /** @param {Stored} e @param {number} i place in the list */
  #card(e, i) {
    const item = document.createElement('div');
    item.setAttribute('role', 'listitem');
    const link = document.createElement('a');
    link.className = 'event';
    link.dataset.i = String(i);
    link.href = `/cameras/${e.camera}?t=${e.start - lead}`;
    link.tabIndex = i === this.#focus ? 0 : -1;
    const camera = this.#names.get(e.camera) ?? '';
    link.setAttribute('aria-label', t('js.event', { camera, time: short(e.start), length: duration(e.end - e.start) }));
    fillEvent(link, e, camera);
    item.append(link);
    if (e.mayDelete) {
      const bin = document.createElement('a');
      bin.className = 'decide-bin button';
      bin.href = `/cameras/${e.camera}/delete?from=${e.start}&to=${e.end}`;
      bin.textContent = t('js.delete_event');
      bin.tabIndex = -1; // the keyboard deletes on the page of the camera
      item.append(bin);
    }
    return item;
  }

  /** @param {FocusEvent} e */
  #focused(e) {
    const link = /** @type {HTMLElement | null} */ (/** @type {Element} */ (e.target).closest('a[data-i]'));
    if (!link) return;
    this.#list.querySelector('a[tabindex="0"]')?.setAttribute('tabindex', '-1');
    link.tabIndex = 0;
    this.#focus = Number(link.dataset.i);
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const to = {
      ArrowRight: this.#focus + 1, ArrowLeft: this.#focus - 1, ArrowDown: this.#focus + this.#columns, ArrowUp: this.#focus - this.#columns,
      Home: 0, End: this.#all.length - 1,
    }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    if (to < 0 || to >= this.#all.length) return;
    const i = Math.floor(to / chunk);
    if (!this.#chunks[i].firstChild) this.#fill(i);
    /** @type {HTMLElement | null} */ (this.#list.querySelector(`a[data-i="${to}"]`))?.focus();
  }

  /** Something moved since the list was fetched. @param {any} news */
  #heard(news) {
    const { camera, day } = this.#filters.elements;
    const listed = (!camera.value || camera.value === news.camera) && (!day.value || day.value === dateValue(Date.now()));
    if (news.kind !== 'motion-ended' || !listed) return;
    if (this.#all.length === 0) {
      this.#begin();
      return;
    }
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = t('js.new_events');
    this.#part('fresh').replaceChildren(button);
    this.#part('fresh').hidden = false;
  }
}

customElements.define('lares-events', LaresEvents);
