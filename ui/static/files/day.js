// <lares-day [fine]>: a ruler of time with what was recorded and, in a lane
// above it, what moved. It draws and reports where somebody points; camera.js decides what that means.
import { hm, hms, t } from './text.js';

/** @typedef {{from: number, to: number, cause: string, detail: string}} Gap */

const small = 1000; // ms of an arrow key on the fine ruler
const big = 60e3; // and on the other
const lane = 10; // px of what moved

export class LaresDay extends HTMLElement {
  /** @type {[number, number][]} */
  spans = [];
  /** @type {Gap[]} */
  gaps = [];
  /** @type {[number, number, number][]} from, to, ms with motion; -1: not known */
  density = [];
  /** @type {{start: number, end: number}[]} */
  events = [];
  /** @type {[number, number][]} what a search found */
  found = [];
  from = 0;
  to = 1;
  cursor = 0;
  /** @type {[number, number] | null} */
  window = null;
  #canvas = document.createElement('canvas');
  #drawn = 0;
  #resize = new ResizeObserver(() => this.draw());
  #scheme = matchMedia('(prefers-color-scheme: dark)');
  #again = () => this.draw();

  connectedCallback() {
    this.replaceChildren(this.#canvas);
    this.tabIndex = 0;
    this.setAttribute('role', 'slider');
    this.setAttribute('aria-label', this.getAttribute('label') ?? '');
    this.#resize.observe(this);
    this.#scheme.addEventListener('change', this.#again);
    this.addEventListener('pointerdown', this.#down);
    this.addEventListener('pointermove', this.#move);
    this.addEventListener('pointerup', this.#up);
    this.addEventListener('pointerleave', () => this.#send('lares-hover', NaN));
    this.addEventListener('keydown', this.#key);
  }

  disconnectedCallback() {
    this.#resize.disconnect();
    this.#scheme.removeEventListener('change', this.#again);
  }

  /** Why nothing was recorded at a time; null if something was. @param {number} at */
  gapAt(at) {
    if (this.spans.some(([from, to]) => at >= from && at < to)) return null;
    return this.gaps.find((g) => at >= g.from && at < g.to) ?? null;
  }

  /** Draws at the next picture of the screen. */
  draw() {
    cancelAnimationFrame(this.#drawn);
    this.#drawn = requestAnimationFrame(() => this.#paint());
    this.setAttribute('aria-valuemin', String(Math.round(this.from / 1000)));
    this.setAttribute('aria-valuemax', String(Math.round(this.to / 1000)));
    this.setAttribute('aria-valuenow', String(Math.round(this.cursor / 1000)));
    const gap = this.gapAt(this.cursor);
    this.setAttribute('aria-valuetext', hms(this.cursor) + (gap ? `, ${t(`cause.${gap.cause}`)}` : ''));
  }

  get #fine() { return this.hasAttribute('fine'); }

  /** @param {PointerEvent} e */
  #at(e) {
    const box = this.getBoundingClientRect();
    const x = Math.min(1, Math.max(0, (e.clientX - box.left) / box.width));
    return this.from + x * (this.to - this.from);
  }

  /** @param {string} name @param {number} at @param {boolean} [done] */
  #send(name, at, done = true) { this.dispatchEvent(new CustomEvent(name, { detail: { at, done } })); }

  /** @param {PointerEvent} e */
  #down = (e) => {
    if (e.button !== 0) return;
    this.setPointerCapture(e.pointerId);
    this.#send('lares-pick', this.#at(e), false);
  };

  /** @param {PointerEvent} e */
  #move = (e) => {
    if (this.hasPointerCapture(e.pointerId)) this.#send('lares-pick', this.#at(e), false);
    else this.#send('lares-hover', this.#at(e));
  };

  /** @param {PointerEvent} e */
  #up = (e) => {
    if (this.hasPointerCapture(e.pointerId)) this.#send('lares-pick', this.#at(e), true);
  };

  /** @param {KeyboardEvent} e */
  #key = (e) => {
    const one = this.#fine ? small : big;
    const page = this.#fine ? 60e3 : 3600e3;
    const to = {
      ArrowLeft: this.cursor - one, ArrowDown: this.cursor - one, ArrowRight: this.cursor + one, ArrowUp: this.cursor + one,
      PageDown: this.cursor - page, PageUp: this.cursor + page, Home: this.from, End: this.to - 1,
    }[e.key];
    if (to === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    e.stopPropagation();
    this.#send('lares-pick', Math.min(this.to - 1, Math.max(this.from, to)), true);
  };

  #paint() {
    const dpr = devicePixelRatio || 1;
    const width = this.clientWidth;
    const height = this.clientHeight;
    const g = this.#canvas.getContext('2d');
    if (!g || width === 0) return;
    this.#canvas.width = Math.round(width * dpr);
    this.#canvas.height = Math.round(height * dpr);
    g.scale(dpr, dpr);
    const style = getComputedStyle(this);
    const color = (/** @type {string} */ name) => resolve(style.getPropertyValue(name), this.#scheme.matches);
    const x = (/** @type {number} */ at) => ((at - this.from) / (this.to - this.from)) * width;
    const top = 20 + lane;
    const bar = height - top - 10;
    this.#moved(g, x, color('--motion'));
    g.fillStyle = color('--raised');
    g.beginPath();
    g.roundRect(0, top, width, bar, 5);
    g.fill();
    g.save();
    g.clip();
    for (const gap of this.gaps) hatch(g, x(gap.from), x(gap.to), top, bar, color('--warn'));
    g.fillStyle = color('--accent');
    for (const [from, to] of this.spans) g.fillRect(x(from), top, Math.max(1, x(to) - x(from)), bar);
    g.fillStyle = color('--found');
    for (const [from, to] of this.found) g.fillRect(x(from) - 0.5, top, Math.max(2.5, x(to) - x(from)), bar);
    g.restore();
    this.#ticks(g, x, width, 20, color('--soft'), color('--line'));
    if (this.window) {
      g.strokeStyle = color('--ink');
      g.lineWidth = 1.5;
      g.strokeRect(x(this.window[0]) + 0.75, top - 1, x(this.window[1]) - x(this.window[0]) - 1.5, bar + 2);
    }
    this.#hand(g, x(this.cursor), height, color('--ink'), color('--surface'));
  }

  /**
   * The lane of what moved: paler where less did, events as marks.
   * @param {CanvasRenderingContext2D} g @param {(at: number) => number} x @param {string} color
   */
  #moved(g, x, color) {
    g.fillStyle = color;
    for (const [from, to, moving] of this.density) {
      if (moving <= 0 || to < this.from || from > this.to) continue;
      g.globalAlpha = 0.15 + 0.4 * Math.min(1, moving / (to - from));
      g.fillRect(x(from), 20, Math.max(1, x(to) - x(from)), lane - 2);
    }
    g.globalAlpha = 1;
    for (const e of this.events) {
      if (e.end < this.from || e.start > this.to) continue;
      g.fillRect(x(e.start) - 0.5, 20, Math.max(2, x(e.end) - x(e.start)), lane - 2);
    }
  }

  /** @param {CanvasRenderingContext2D} g @param {number} x @param {number} height @param {string} ink @param {string} ground */
  #hand(g, x, height, ink, ground) {
    if (this.cursor < this.from || this.cursor >= this.to) return;
    g.fillStyle = ground;
    g.fillRect(x - 2.5, 17, 5, height - 21);
    g.fillStyle = ink;
    g.fillRect(x - 1.25, 17, 2.5, height - 21);
    g.beginPath();
    g.arc(x, height - 5, 5, 0, 7);
    g.fill();
  }

  /**
   * @param {CanvasRenderingContext2D} g @param {(at: number) => number} x
   * @param {number} width @param {number} top @param {string} ink @param {string} line
   */
  #ticks(g, x, width, top, ink, line) {
    const steps = this.#fine ? [1, 5, 10, 15, 30] : [60, 120, 180, 240, 360];
    const room = this.#fine ? 46 : 42;
    const minutes = steps.find((m) => (width * m * 60e3) / (this.to - this.from) >= room) ?? steps[steps.length - 1];
    g.font = '11.5px system-ui, sans-serif';
    g.textAlign = 'center';
    const d = new Date(this.from);
    for (let i = 0; i < 200; i++) {
      // Steps of the wall clock: a day may have 23 or 25 hours.
      const at = new Date(d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes() + i * minutes).getTime();
      if (at > this.to) break;
      g.fillStyle = line;
      g.fillRect(Math.round(x(at)), top - 4, 1, 4);
      const label = hm(at);
      const half = g.measureText(label).width / 2;
      if (x(at) < half - 1 || x(at) > width - half + 1) continue;
      g.fillStyle = ink;
      g.fillText(label, x(at), top - 7);
    }
  }
}

/** @param {CanvasRenderingContext2D} g @param {number} from @param {number} to @param {number} top @param {number} height @param {string} color */
function hatch(g, from, to, top, height, color) {
  g.save();
  g.beginPath();
  g.rect(from, top, Math.max(1.5, to - from), height);
  g.clip();
  g.globalAlpha = 0.55;
  g.strokeStyle = color;
  g.lineWidth = 1.5;
  for (let x = from - height - (from % 6); x < to + height; x += 6) {
    g.beginPath();
    g.moveTo(x, top + height);
    g.lineTo(x + height, top);
    g.stroke();
  }
  g.restore();
}

/** A canvas does not know light-dark(). @param {string} value @param {boolean} dark */
function resolve(value, dark) {
  const both = /light-dark\(\s*([^,]+),\s*([^)]+)\)/.exec(value);
  return both ? both[dark ? 2 : 1].trim() : value.trim();
}

customElements.define('lares-day', LaresDay);
