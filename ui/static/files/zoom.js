// A closer look at a picture: wheel, pinch, drag and keys enlarge a part of it.

const most = 10;

export class Zoom {
  #scale = 1;
  #x = 0; // px that the picture is moved
  #y = 0;
  /** @type {Map<number, PointerEvent>} */
  #pointers = new Map();

  /**
   * @param {HTMLElement} stage what shows the picture
   * @param {HTMLElement} out says how much it is enlarged @param {AbortSignal} signal
   */
  constructor(stage, out, signal) {
    this.stage = stage;
    this.out = out;
    stage.addEventListener('wheel', (e) => this.#wheel(e), { passive: false, signal });
    stage.addEventListener('dblclick', (e) => { if (!onControl(e)) this.by(this.#scale > 1 ? 1 / this.#scale : 2.5, e); }, { signal });
    stage.addEventListener('pointerdown', (e) => this.#down(e), { signal });
    stage.addEventListener('pointermove', (e) => this.#move(e), { signal });
    for (const name of ['pointerup', 'pointercancel']) stage.addEventListener(name, (e) => this.#pointers.delete(/** @type {PointerEvent} */ (e).pointerId), { signal });
  }

  get on() { return this.#scale > 1; }

  /** Enlarges around a point of the window. @param {number} factor @param {{clientX: number, clientY: number}} [at] */
  by(factor, at) {
    const box = this.stage.getBoundingClientRect();
    const px = at ? at.clientX - box.left - box.width / 2 : 0;
    const py = at ? at.clientY - box.top - box.height / 2 : 0;
    const scale = Math.min(most, Math.max(1, this.#scale * factor));
    this.#x = px - ((px - this.#x) * scale) / this.#scale;
    this.#y = py - ((py - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#lay();
  }

  reset() { this.by(1 / this.#scale); }

  /** @param {number} x parts of the stage @param {number} y */
  pan(x, y) {
    this.#x -= x * this.stage.clientWidth;
    this.#y -= y * this.stage.clientHeight;
    this.#lay();
  }

  #lay() {
    const limit = (/** @type {number} */ v, /** @type {number} */ size) => Math.min(1, Math.max(-1, v / ((size * (this.#scale - 1)) / 2 || 1))) * ((size * (this.#scale - 1)) / 2);
    this.#x = limit(this.#x, this.stage.clientWidth);
    this.#y = limit(this.#y, this.stage.clientHeight);
    const how = this.on ? `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})` : '';
    for (const el of this.stage.querySelectorAll('lares-live, lares-player')) /** @type {HTMLElement} */ (el).style.transform = how;
    this.stage.toggleAttribute('data-zoomed', this.on);
    this.out.hidden = !this.on;
    this.out.textContent = `${this.#scale.toFixed(1)}×`;
  }

  /** The wheel enlarges; where there is nothing left to make smaller, the page scrolls. @param {WheelEvent} e */
  #wheel(e) {
    if (!this.on && (e.deltaY >= 0 || (scrollY > 0 && !document.fullscreenElement))) return;
    e.preventDefault();
    this.by(Math.exp(-Math.max(-120, Math.min(120, e.deltaY * (e.deltaMode === 1 ? 30 : 1))) * 0.003), e);
  }

  /** @param {PointerEvent} e */
  #down(e) {
    if (onControl(e) || e.button !== 0) return;
    this.#pointers.set(e.pointerId, e);
    if (this.on || this.#pointers.size > 1) this.stage.setPointerCapture(e.pointerId);
  }

  /** @param {PointerEvent} e */
  #move(e) {
    const before = this.#pointers.get(e.pointerId);
    if (!before) return;
    const other = [...this.#pointers.values()].find((p) => p.pointerId !== e.pointerId);
    const far = (/** @type {PointerEvent} */ p) => Math.hypot(p.clientX - (other?.clientX ?? 0), p.clientY - (other?.clientY ?? 0));
    if (other && far(before) > 0) this.by(far(e) / far(before), other);
    else if (this.on) this.pan((before.clientX - e.clientX) / this.stage.clientWidth, (before.clientY - e.clientY) / this.stage.clientHeight);
    this.#pointers.set(e.pointerId, e);
  }
}

/** @param {Event} e */
function onControl(e) { return /** @type {Element} */ (e.target).closest('button, a, .sheet-over, .veil') !== null; }
