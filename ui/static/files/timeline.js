// <lares-timeline cameras="id,id">: time as far as somebody wants to see it, 30
// seconds to 30 days, with a row for each camera: what was recorded, what is
// missing, what moved. It draws, zooms and tells where somebody points; desk.js
// decides what that means.
import { json } from './api.js';
import { hatch, marks, palette } from './ruler.js';
import { hms, moment, t } from './text.js';

/** @typedef {{from: number, to: number, cause: string, detail?: string}} Gap to is 0 while it lasts */
/** @typedef {{id: string, spans: [number, number][], gaps: Gap[], moving: number[]}} Row */

export const shortest = 30e3; // ms that are shown at least
export const longest = 30 * 24 * 3600e3; // and at most
const top = 36; // px of the ruler
const heights = [[1, 46], [4, 30], [8, 22]]; // px of a row, for as many cameras at most
const edge = 0.04; // of the view lies after now when it follows
const fresh = 8e3; // ms after which what is growing is asked for again
const underWay = 12e3; // ms that footage may be behind without being missing
const slide = 0.85; // of the view, where the hand is when the view turns a page

export class LaresTimeline extends HTMLElement {
  from = Date.now() - 24 * 3600e3;
  to = Date.now();
  cursor = 0;
  follow = true; // the view goes along with the time
  /** @type {[number, number] | null} marked by whoever looks */
  marked = null;
  /** @type {{start: number, end: number}[]} */
  events = [];
  /** @type {[number, number][]} what a search found */
  found = [];
  /** @type {Map<string, string>} by camera */
  names = new Map();
  /** @type {string[]} */
  cameras = [];
  #canvas = document.createElement('canvas');
  #tip = document.createElement('output');
  #data = { from: 0, to: 0, cells: 1, asked: 0 };
  /** @type {Row[]} */
  #rows = [];
  #drawn = 0;
  #stop = new AbortController();
  #asking = false;
  /** @type {Map<number, PointerEvent>} */
  #pointers = new Map();
  #panning = false;
  #scheme = matchMedia('(prefers-color-scheme: dark)');
  #resize = new ResizeObserver(() => this.#turned());
  #again = () => this.draw();

  connectedCallback() {
    this.cameras = (this.getAttribute('cameras') ?? '').split(',').filter(Boolean);
    this.#tip.className = 'tip';
    this.#tip.hidden = true;
    this.#canvas.setAttribute('aria-hidden', 'true');
    this.replaceChildren(this.#canvas, this.#tip);
    this.tabIndex = 0;
    this.setAttribute('role', 'slider');
    this.style.height = `${top + this.#height * Math.max(1, this.cameras.length) + 12}px`;
    this.#resize.observe(this);
    this.#scheme.addEventListener('change', this.#again);
    this.addEventListener('pointerdown', this.#down);
    this.addEventListener('pointermove', this.#move);
    for (const name of ['pointerup', 'pointercancel']) this.addEventListener(name, /** @type {any} */ (this.#up));
    this.addEventListener('pointerleave', () => { this.#tip.hidden = true; });
    this.addEventListener('wheel', this.#wheel, { passive: false });
    this.addEventListener('keydown', this.#key);
  }

  disconnectedCallback() {
    this.#resize.disconnect();
    this.#scheme.removeEventListener('change', this.#again);
    this.#stop.abort();
  }

  get #height() { return heights.find(([most]) => this.cameras.length <= most)?.[1] ?? 16; }
  get #lane() { return this.#height < 20 ? 5 : 9; } // px of what moved
  get #range() { return this.to - this.from; }

  /** Shows a stretch of time. @param {number} from @param {number} to */
  show(from, to) {
    const range = Math.min(longest, Math.max(shortest, to - from));
    const last = Date.now() + edge * range;
    const middle = (from + to) / 2;
    this.to = Math.min(last, middle + range / 2);
    this.from = this.to - range;
    this.#turned();
  }

  /** Zooms around a time. @param {number} factor above 1 shows more @param {number} [at] */
  zoom(factor, at = this.cursor >= this.from && this.cursor <= this.to ? this.cursor : (this.from + this.to) / 2) {
    const range = Math.min(longest, Math.max(shortest, this.#range * factor));
    const from = at - ((at - this.from) / this.#range) * range;
    this.show(from, from + range);
  }

  /** The time that is shown goes on: the hand moves and, if need be, the view. @param {number} at */
  advance(at) {
    const before = this.cursor;
    this.cursor = at;
    if (this.follow && !this.#pointers.size) {
      const now = Date.now();
      if (at > now - 2000) {
        this.from += now + edge * this.#range - this.to;
        this.to = now + edge * this.#range;
      } else if (at > this.from + slide * this.#range && at > before && this.to < now) {
        this.show(at - (1 - slide) * this.#range, at + slide * this.#range);
        return;
      } else if (at < this.from || at > this.to) {
        this.show(at - this.#range / 2, at + this.#range / 2);
        return;
      }
    }
    this.#want();
    this.draw();
  }

  /** Why nothing was recorded at a time; null if something was. @param {number} at @param {number} [row] */
  gapAt(at, row = 0) {
    const r = this.#rows[row];
    return r?.gaps.find((g) => at >= g.from && at < (g.to || Infinity)) ?? null;
  }

  /** Whether any camera recorded at a time, and else when one did next: Infinity where none did. @param {number} at */
  next(at) {
    let best = Infinity;
    for (const { spans } of this.#rows) {
      const span = spans.find(([, to]) => to > at);
      if (span) best = Math.min(best, Math.max(at, span[0]));
    }
    return best;
  }

  /** Whether all that is drawn is known for a time. @param {number} at */
  knows(at) { return at >= this.#data.from && at < this.#data.to; }

  /** Asks anew, because something changed. */
  refresh() {
    this.#data.asked = 0;
    this.#want();
  }

  #turned() {
    this.dispatchEvent(new CustomEvent('lares-view'));
    this.#want();
    this.draw();
  }

  /** Asks for what the view needs and is not there or not fine enough. */
  async #want() {
    const width = this.clientWidth;
    if (this.#asking || width === 0 || this.cameras.length === 0 || document.visibilityState !== 'visible') return;
    const d = this.#data;
    const cell = (d.to - d.from) / d.cells;
    const wish = (1.5 * this.#range) / width;
    const inside = d.from <= this.from && d.to >= Math.min(this.to, Date.now());
    const stale = this.to > d.asked && Date.now() - d.asked > Math.min(60e3, Math.max(fresh, this.#range / 300));
    if (d.asked && inside && !stale && cell < 1.6 * wish && cell > wish / 6) return;
    this.#asking = true;
    const from = Math.max(0, Math.floor(this.from - 0.6 * this.#range));
    const to = Math.ceil(this.to + 0.6 * this.#range);
    const cells = Math.min(4096, Math.max(1, Math.round((to - from) / wish)));
    const asked = Date.now();
    try {
      const query = new URLSearchParams({ cameras: this.cameras.join(), from: String(from), to: String(to), cells: String(cells) });
      const got = await json(`/api/v1/overview?${query}`, this.#stop.signal);
      this.#data = { from: got.from, to: got.to, cells: got.cells, asked };
      const rows = new Map(got.cameras.map((/** @type {Row} */ r) => [r.id, r]));
      this.#rows = this.cameras.map((id) => rows.get(id) ?? { id, spans: [], gaps: [], moving: [] });
      this.dataset.ready = '';
      this.dispatchEvent(new CustomEvent('lares-known'));
      this.draw();
    } catch {
      this.#data.asked = asked; // what is drawn stays, and it is asked for again later
    }
    this.#asking = false;
    this.draw();
  }

  /** Draws at the next picture of the screen. */
  draw() {
    cancelAnimationFrame(this.#drawn);
    this.#drawn = requestAnimationFrame(() => this.#paint());
    this.setAttribute('aria-valuemin', String(Math.round(this.from / 1000)));
    this.setAttribute('aria-valuemax', String(Math.round(this.to / 1000)));
    this.setAttribute('aria-valuenow', String(Math.round(Math.min(this.to, Math.max(this.from, this.cursor)) / 1000)));
    const gap = this.gapAt(this.cursor);
    this.setAttribute('aria-valuetext', moment(this.cursor) + (gap ? `, ${t(`cause.${gap.cause}`)}` : ''));
  }

  /** @param {{clientX: number}} e */
  #at(e) {
    const box = this.getBoundingClientRect();
    return this.from + ((e.clientX - box.left) / box.width) * this.#range;
  }

  /** @param {number} at @param {boolean} done */
  #pick(at, done) { this.dispatchEvent(new CustomEvent('lares-pick', { detail: { at, done } })); }

  /** @param {PointerEvent} e */
  #down = (e) => {
    if (e.button !== 0) return;
    this.setPointerCapture(e.pointerId);
    this.#pointers.set(e.pointerId, e);
    this.#panning = this.#pointers.size > 1 || e.shiftKey || e.clientY - this.getBoundingClientRect().top < top;
    if (!this.#panning) this.#pick(this.#at(e), false);
  };

  /** @param {PointerEvent} e */
  #move = (e) => {
    const before = this.#pointers.get(e.pointerId);
    if (!before) {
      this.#tell(e);
      return;
    }
    if (this.#panning) {
      const other = [...this.#pointers.values()].find((p) => p.pointerId !== e.pointerId);
      const at = this.#at(before);
      this.follow = false;
      if (other && Math.abs(other.clientX - e.clientX) > 8) this.zoom((before.clientX - other.clientX) / (e.clientX - other.clientX), this.#at(other));
      else this.show(this.from + at - this.#at(e), this.to + at - this.#at(e));
    } else {
      this.#pick(this.#at(e), false);
      this.#tell(e);
    }
    this.#pointers.set(e.pointerId, e);
  };

  /** @param {PointerEvent} e */
  #up = (e) => {
    if (!this.#pointers.delete(e.pointerId)) return;
    if (!this.#panning) {
      this.follow = true;
      this.#pick(this.#at(e), true);
    }
    if (this.#pointers.size === 0) this.#panning = false;
    if (e.pointerType === 'touch') this.#tip.hidden = true;
  };

  /** @param {WheelEvent} e */
  #wheel = (e) => {
    e.preventDefault();
    this.follow = false;
    const step = e.deltaMode === 1 ? 30 : 1;
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      const by = ((e.deltaX || e.deltaY) * step * this.#range) / this.clientWidth;
      this.show(this.from + by, this.to + by);
      return;
    }
    this.zoom(Math.exp(Math.max(-120, Math.min(120, e.deltaY * step)) * 0.0025), this.#at(e));
  };

  /** @param {KeyboardEvent} e */
  #key = (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const one = Math.max(1000, this.#range / 200);
    const act = {
      ArrowLeft: () => this.#step(-one, e.shiftKey), ArrowDown: () => this.#step(-one, e.shiftKey),
      ArrowRight: () => this.#step(one, e.shiftKey), ArrowUp: () => this.#step(one, e.shiftKey),
      PageDown: () => this.#step(-this.#range / 8, e.shiftKey), PageUp: () => this.#step(this.#range / 8, e.shiftKey),
      Home: () => this.#pick(this.from, true), End: () => this.#pick(Math.min(this.to, Date.now()), true),
      '+': () => this.zoom(0.5), '=': () => this.zoom(0.5), '-': () => this.zoom(2),
    }[e.key];
    if (!act) return;
    e.preventDefault();
    e.stopPropagation();
    act();
  };

  /** @param {number} by ms @param {boolean} view moves what is shown, not the hand */
  #step(by, view) {
    if (view) {
      this.follow = false;
      this.show(this.from + 10 * by, this.to + 10 * by);
      return;
    }
    this.follow = true;
    this.#pick(this.cursor + by, true);
  }

  /** Says what is under the pointer. @param {PointerEvent} e */
  #tell(e) {
    const box = this.getBoundingClientRect();
    const at = this.#at(e);
    const row = Math.min(this.cameras.length - 1, Math.max(0, Math.floor((e.clientY - box.top - top) / this.#height)));
    const gap = this.gapAt(at, row);
    const name = this.cameras.length > 1 ? `${this.names.get(this.cameras[row]) ?? ''} · ` : '';
    const when = this.#range > 36 * 3600e3 ? moment(at) : hms(at);
    this.#tip.textContent = at > Date.now() ? t('js.live') : name + when + (gap ? ` · ${t(`cause.${gap.cause}`)}${gap.detail ? ` (${gap.detail})` : ''}` : '');
    this.#tip.hidden = false;
    const half = this.#tip.offsetWidth / 2;
    this.#tip.style.left = `${Math.min(box.width - half, Math.max(half, e.clientX - box.left))}px`;
  }

  #paint() {
    const dpr = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this;
    const g = this.#canvas.getContext('2d');
    if (!g || width === 0) return;
    this.#canvas.width = Math.round(width * dpr);
    this.#canvas.height = Math.round(height * dpr);
    g.scale(dpr, dpr);
    const color = palette(this, this.#scheme.matches);
    const x = (/** @type {number} */ at) => ((at - this.from) / this.#range) * width;
    marks(g, { from: this.from, to: this.to, width, bottom: height - 12, x, color });
    for (let i = 0; i < this.cameras.length; i++) this.#paintRow(g, i, x, width, color);
    const now = x(Date.now());
    if (now < width) {
      g.fillStyle = color('--live');
      g.fillRect(now, top - 4, 1.5, height - top - 8);
    }
    this.#paintMarked(g, x, height, color);
    this.#hand(g, x(this.cursor), height, color);
  }

  /**
   * @param {CanvasRenderingContext2D} g @param {number} i @param {(at: number) => number} x
   * @param {number} width @param {(name: string) => string} color
   */
  #paintRow(g, i, x, width, color) {
    const row = this.#rows[i];
    const y = top + i * this.#height;
    const lane = this.#lane;
    const bar = this.#height - lane - (lane < 9 ? 2 : 6);
    g.fillStyle = color('--raised');
    g.fillRect(0, y + lane, Math.min(width, x(Date.now())), bar);
    if (!row) return;
    const newest = row.spans.at(-1);
    g.fillStyle = color('--accent');
    for (const [from, to] of row.spans) {
      const end = row.spans.at(-1) === newest && to === newest?.[1] && Date.now() - to < underWay ? Date.now() : to;
      if (end >= this.from && from <= this.to) g.fillRect(x(from), y + lane, Math.max(1, x(end) - x(from)), bar);
    }
    for (const gap of row.gaps) {
      const to = gap.to || Date.now();
      if (to >= this.from && gap.from <= this.to) hatch(g, [Math.max(-8, x(gap.from)), Math.min(width + 8, x(to)), y + lane, bar], color(gap.cause === 'no-motion' ? '--soft' : '--warn'), color('--surface'));
    }
    this.#paintMotion(g, row, y, x, color('--motion'));
    if (i === 0) {
      g.fillStyle = color('--found');
      for (const [from, to] of this.found) g.fillRect(x(from) - 0.5, y + lane, Math.max(2.5, x(to) - x(from)), bar);
    }
    const name = this.names.get(row.id);
    if (this.cameras.length < 2 || !name) return;
    g.font = '600 11px system-ui, sans-serif';
    g.textAlign = 'left';
    g.globalAlpha = 0.85;
    g.fillStyle = color('--surface');
    g.fillRect(0, y + lane, g.measureText(name).width + 12, bar);
    g.globalAlpha = 1;
    g.fillStyle = color('--ink');
    g.fillText(name, 6, y + lane + bar / 2 + 4);
  }

  /** Paler where less moved; events as marks. @param {CanvasRenderingContext2D} g @param {Row} row @param {number} y @param {(at: number) => number} x @param {string} color */
  #paintMotion(g, row, y, x, color) {
    const cell = (this.#data.to - this.#data.from) / this.#data.cells;
    const lane = this.#lane;
    g.fillStyle = color;
    for (const [i, part] of row.moving.entries()) {
      const at = this.#data.from + i * cell;
      if (part <= 0 || at + cell < this.from || at > this.to) continue;
      g.globalAlpha = 0.2 + 0.5 * Math.min(1, part / 60);
      const tall = 3 + (lane - 4) * Math.min(1, part / 40);
      const left = Math.round(x(at)); // whole points: halves would show as stripes
      g.fillRect(left, y + lane - 1 - tall, Math.max(1, Math.round(x(at + cell)) - left), tall);
    }
    g.globalAlpha = 1;
    if (this.cameras.length > 1) return;
    for (const e of this.events) {
      if (e.end >= this.from && e.start <= this.to) g.fillRect(x(e.start) - 0.5, y, Math.max(2, x(e.end) - x(e.start)), lane - 1);
    }
  }

  /** @param {CanvasRenderingContext2D} g @param {(at: number) => number} x @param {number} height @param {(name: string) => string} color */
  #paintMarked(g, x, height, color) {
    if (!this.marked) return;
    const [from, to] = this.marked.map(x);
    g.fillStyle = color('--ink');
    g.globalAlpha = 0.16;
    g.fillRect(from, top - 6, to - from, height - top - 4);
    g.globalAlpha = 1;
    for (const side of [from, to]) g.fillRect(side - 1, top - 6, 2, height - top - 4);
  }

  /** @param {CanvasRenderingContext2D} g @param {number} x @param {number} height @param {(name: string) => string} color */
  #hand(g, x, height, color) {
    if (x < 0 || x > this.clientWidth) return;
    g.fillStyle = color('--surface');
    g.fillRect(x - 2.5, top - 8, 5, height - top + 2);
    g.fillStyle = color('--ink');
    g.fillRect(x - 1.25, top - 8, 2.5, height - top + 2);
    g.beginPath();
    g.arc(x, height - 6, 5, 0, 7);
    g.fill();
  }
}

customElements.define('lares-timeline', LaresTimeline);
