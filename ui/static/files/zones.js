// <lares-zones>: the areas of a camera, drawn on its picture. They travel as
// JSON in a hidden input of the form around it. With the attribute 'masks' all
// areas are of one kind: what the camera itself hides. Everything that a pointer can
// do a keyboard can do too: each corner is a button that the arrows move.
import { part, placeIn } from './picture.js';
import { t } from './text.js';

const mostZones = 16;
const mostCorners = 32;
const svgNS = 'http://www.w3.org/2000/svg';

/** @typedef {[number, number]} Corner x, y in parts of the picture */
/** @typedef {{ignore: boolean, points: Corner[]}} Zone */

export class LaresZones extends HTMLElement {
  /** @type {Zone[]} */
  #zones = [];
  /** @type {Zone | null} the area that is being drawn */
  #draft = null;
  /** @type {Corner} where the keyboard would set a corner */
  #cross = [0.5, 0.5];
  #svg = document.createElementNS(svgNS, 'svg');
  #layer = document.createElement('div'); // holds the corners
  #smallest = document.createElement('i');
  #mark = document.createElement('i');

  connectedCallback() {
    this.#svg.setAttribute('viewBox', '0 0 1 1');
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('aria-hidden', 'true');
    this.#layer.className = 'corners';
    this.#smallest.className = 'smallest';
    this.#mark.className = 'cross';
    this.#plate.append(this.#svg, this.#smallest, this.#layer);
    this.#zones = JSON.parse(this.#part('value').value || '[]');
    this.#plate.addEventListener('click', (e) => this.#clicked(e));
    this.#plate.addEventListener('keydown', (e) => this.#drawKey(e));
    this.addEventListener('click', (e) => this.#act(/** @type {Element} */ (e.target).closest('[data-action]')?.getAttribute('data-action')));
    this.#side?.addEventListener('input', () => this.#sized());
    this.#watchPicture();
    this.#sized();
    this.#draw();
  }

  /** @param {string} name @returns {any} */
  #part(name) { return this.querySelector(`[data-part="${name}"]`); }

  get #plate() { return /** @type {HTMLElement} */ (this.#part('plate')); }

  get #side() { return /** @type {HTMLInputElement | null} */ (this.querySelector('input[name="side"]')); }

  #watchPicture() {
    const img = /** @type {HTMLImageElement} */ (this.#part('picture'));
    const look = () => {
      const none = img.naturalWidth === 0;
      img.hidden = none;
      this.#part('no-picture').hidden = !none;
      if (!none) this.#plate.style.aspectRatio = `${img.naturalWidth} / ${img.naturalHeight}`;
    };
    img.addEventListener('load', look);
    img.addEventListener('error', look);
    if (img.complete) look();
  }

  /** Draws the smallest thing that counts. */
  #sized() {
    const n = Number(this.#side?.value ?? 0);
    const share = n / 100;
    this.#smallest.hidden = n === 0;
    if (!this.#side) return;
    Object.assign(this.#smallest.style, { left: `${(1 - share) * 50}%`, top: `${(1 - share) * 50}%`, width: `${n}%`, height: `${n}%` });
    this.#part('side-said').textContent = n === 0 ? t('js.side_auto') : t('js.side', { n: String(n) });
    this.#side.setAttribute('aria-valuetext', this.#part('side-said').textContent);
  }

  /** @param {string | null | undefined} action */
  #act(action) {
    ({
      watch: () => this.#begin(false),
      ignore: () => this.#begin(true),
      done: () => this.#finish(),
      cancel: () => this.#leave(),
    })[action ?? '']?.();
  }

  /** Begins to draw an area. @param {boolean} ignore */
  #begin(ignore) {
    if (this.#zones.length >= mostZones) {
      this.#say(t('js.zone_most'));
      return;
    }
    this.#draft = { ignore, points: [] };
    this.#cross = [0.5, 0.5];
    this.#plate.tabIndex = 0;
    this.#plate.setAttribute('role', 'application');
    this.#plate.setAttribute('aria-label', t('js.zone_draw'));
    this.#say(t('js.zone_draw'));
    this.#draw();
    this.#plate.focus({ preventScroll: true });
    this.#plate.scrollIntoView({ block: 'nearest' });
  }

  #finish() {
    if (!this.#draft || this.#draft.points.length < 3) return;
    this.#zones.push(this.#draft);
    this.#leave();
    this.#layer.querySelector(`[data-zone="${this.#zones.length - 1}"]`)?.focus({ preventScroll: true });
  }

  #leave() {
    this.#draft = null;
    for (const name of ['tabindex', 'role', 'aria-label']) this.#plate.removeAttribute(name);
    this.#say('');
    this.#draw();
  }

  /** @param {string} text */
  #say(text) { this.#part('said').textContent = text; }

  /** Sets a corner of the area that is drawn. @param {Corner} at */
  #set(at) {
    const { points } = /** @type {Zone} */ (this.#draft);
    if (points.length >= mostCorners) {
      this.#say(t('js.zone_most'));
      return;
    }
    points.push(at);
    this.#say(t('js.zone_set', { n: String(points.length) }));
    this.#draw();
  }

  /** @param {MouseEvent} e */
  #clicked(e) {
    if (!this.#draft || e.detail === 0) return;
    const first = /** @type {Element} */ (e.target).closest('[data-first]');
    if (first && this.#draft.points.length >= 3) {
      this.#finish();
      return;
    }
    this.#set(placeIn(/** @type {PointerEvent} */ (e), this.#plate.getBoundingClientRect()));
  }

  /** @param {KeyboardEvent} e */
  #drawKey(e) {
    if (!this.#draft || e.altKey || e.ctrlKey || e.metaKey) return;
    const way = arrow(e);
    if (way) this.#cross = [part(this.#cross[0] + way[0]), part(this.#cross[1] + way[1])];
    else if (e.key === ' ') this.#set([...this.#cross]);
    else if (e.key === 'Enter') this.#finish();
    else if (e.key === 'Escape') this.#leave();
    else return;
    e.preventDefault();
    this.#place(this.#mark, this.#cross);
  }

  /** @param {HTMLElement} el @param {Corner} at */
  #place(el, [x, y]) {
    el.style.left = `${x * 100}%`;
    el.style.top = `${y * 100}%`;
  }

  /** Draws everything anew and writes the input. */
  #draw() {
    const round = (/** @type {number} */ v) => Math.round(v * 1e4) / 1e4;
    this.#part('value').value = JSON.stringify(this.#zones.map((z) => ({ ignore: z.ignore, points: z.points.map(([x, y]) => [round(x), round(y)]) })));
    const drawing = this.#draft !== null;
    this.toggleAttribute('drawing', drawing);
    for (const name of ['done', 'cancel']) this.querySelector(`[data-action="${name}"]`)?.toggleAttribute('hidden', !drawing);
    for (const name of ['watch', 'ignore']) this.querySelector(`[data-action="${name}"]`)?.toggleAttribute('hidden', drawing);
    this.querySelector('[data-action="done"]')?.toggleAttribute('disabled', (this.#draft?.points.length ?? 0) < 3);
    this.#shapes();
    this.#layer.replaceChildren(...(this.#draft ? this.#draftCorners(this.#draft) : this.#zones.flatMap((z, i) => this.#corners(z, i))));
    this.#part('zones').replaceChildren(...this.#zones.map((z, i) => this.#row(z, i)));
  }

  #shapes() {
    const shape = (/** @type {Zone} */ z, /** @type {string} */ name) => {
      const el = document.createElementNS(svgNS, name);
      el.setAttribute('points', z.points.map((p) => p.join(',')).join(' '));
      el.setAttribute('class', z.ignore ? 'zone ignore' : 'zone');
      return el;
    };
    this.#svg.replaceChildren(...this.#zones.map((z) => shape(z, 'polygon')), ...(this.#draft ? [shape(this.#draft, 'polyline')] : []));
  }

  /** @param {Zone} z */
  #draftCorners(z) {
    this.#place(this.#mark, this.#cross);
    return [this.#mark, ...z.points.map((p, i) => {
      const dot = document.createElement('i');
      dot.className = 'handle';
      if (i === 0) dot.dataset.first = '';
      this.#place(dot, p);
      return dot;
    })];
  }

  /** The corners of an area, and a place between each two for a new one. @param {Zone} z @param {number} i */
  #corners(z, i) {
    const zone = this.#name(z, i);
    return z.points.flatMap((p, k) => {
      const next = z.points[(k + 1) % z.points.length];
      const corner = this.#handle(i, k, p, t('js.zone_corner', { n: String(k + 1), zone }));
      if (z.points.length >= mostCorners) return [corner];
      const between = this.#handle(i, k, [(p[0] + next[0]) / 2, (p[1] + next[1]) / 2], t('js.zone_between', { n: String(k + 1), zone }));
      between.classList.add('between');
      between.addEventListener('click', () => this.#insert(i, k));
      return [corner, between];
    });
  }

  /** @param {number} i area @param {number} k corner @param {Corner} at @param {string} label */
  #handle(i, k, at, label) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'handle';
    button.dataset.zone = String(i);
    button.dataset.corner = String(k);
    button.setAttribute('aria-label', label);
    this.#place(button, at);
    button.addEventListener('pointerdown', (e) => {
      if (e.button === 0 && !button.classList.contains('between')) button.setPointerCapture(e.pointerId);
    });
    button.addEventListener('pointermove', (e) => {
      if (button.hasPointerCapture(e.pointerId)) this.#drag(i, k, placeIn(e, this.#plate.getBoundingClientRect()), button);
    });
    button.addEventListener('lostpointercapture', () => this.#redraw(i, k));
    button.addEventListener('keydown', (e) => this.#cornerKey(e, i, k, button));
    return button;
  }

  /** @param {number} i @param {number} k @param {Corner} at @param {HTMLElement} button */
  #drag(i, k, at, button) {
    this.#zones[i].points[k] = at;
    this.#place(button, at);
    this.#shapes();
  }

  /** Draws anew and keeps the keyboard at a corner. @param {number} i @param {number} k */
  #redraw(i, k) {
    this.#draw();
    const corner = /** @type {HTMLElement | null} */ (this.#layer.querySelector(`[data-zone="${i}"][data-corner="${k}"]:not(.between)`));
    corner?.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} e @param {number} i @param {number} k @param {HTMLElement} button */
  #cornerKey(e, i, k, button) {
    if (button.classList.contains('between') || e.altKey || e.ctrlKey || e.metaKey) return;
    const { points } = this.#zones[i];
    const way = arrow(e);
    if (way) {
      points[k] = [part(points[k][0] + way[0]), part(points[k][1] + way[1])];
      this.#redraw(i, k);
    } else if ((e.key === 'Delete' || e.key === 'Backspace') && points.length > 3) {
      points.splice(k, 1);
      this.#redraw(i, Math.min(k, points.length - 1));
    } else {
      return;
    }
    e.preventDefault();
  }

  /** Adds a corner after another. @param {number} i @param {number} k */
  #insert(i, k) {
    const { points } = this.#zones[i];
    const [a, b] = [points[k], points[(k + 1) % points.length]];
    points.splice(k + 1, 0, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    this.#redraw(i, k + 1);
  }

  /** @param {Zone} z @param {number} i */
  #name(z, i) {
    const kind = this.hasAttribute('masks') ? t('js.zone_mask') : t(z.ignore ? 'js.zone_ignore' : 'js.zone_watch');
    return t('js.zone_name', { kind, n: String(i + 1), corners: String(z.points.length) });
  }

  /** @param {Zone} z @param {number} i */
  #row(z, i) {
    const li = document.createElement('li');
    if (this.hasAttribute('masks')) li.append(this.#name(z, i));
    else li.append(this.#kind(z, i));
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.className = 'quiet';
    remove.textContent = t('js.zone_delete');
    remove.setAttribute('aria-label', `${t('js.zone_delete')}: ${this.#name(z, i)}`);
    remove.addEventListener('click', () => {
      this.#zones.splice(i, 1);
      this.#draw();
      /** @type {HTMLElement | null} */ (this.querySelector('[data-action="watch"]'))?.focus();
    });
    li.append(remove);
    return li;
  }

  /** What an area is for. @param {Zone} z @param {number} i */
  #kind(z, i) {
    const kind = document.createElement('select');
    kind.setAttribute('aria-label', this.#name(z, i));
    for (const [value, id] of [['watch', 'js.zone_watch'], ['ignore', 'js.zone_ignore']]) kind.append(new Option(t(id), value));
    kind.value = z.ignore ? 'ignore' : 'watch';
    kind.addEventListener('change', () => {
      z.ignore = kind.value === 'ignore';
      this.#draw();
      this.#part('zones').children[i]?.querySelector('select')?.focus();
    });
    return kind;
  }
}

/** Where an arrow key leads, in parts of the picture; null for another key. @param {KeyboardEvent} e @returns {Corner | null} */
function arrow(e) {
  const step = e.shiftKey ? 0.05 : 0.01;
  return /** @type {Record<string, Corner>} */ ({
    ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step],
  })[e.key] ?? null;
}

customElements.define('lares-zones', LaresZones);
