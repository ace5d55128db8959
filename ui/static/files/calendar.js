// A month of days: those with footage can be told from the others.
import { json } from './api.js';
import { midnight, t } from './text.js';

const lang = document.documentElement.lang;
const month = new Intl.DateTimeFormat(lang === 'en' ? undefined : lang, { month: 'long', year: 'numeric' });
const weekday = new Intl.DateTimeFormat(lang === 'en' ? undefined : lang, { weekday: 'narrow' });
const whole = new Intl.DateTimeFormat(lang === 'en' ? undefined : lang, { dateStyle: 'full' });
const monday = 1;

export class Calendar {
  #shown = 0; // a time in the month that is shown
  #chosen = 0;
  #stop = new AbortController();

  /**
   * @param {HTMLElement} place @param {HTMLElement} button opens it
   * @param {() => string[]} cameras @param {(day: number) => void} pick
   */
  constructor(place, button, cameras, pick) {
    this.place = place;
    this.button = button;
    this.cameras = cameras;
    this.pick = pick;
    place.addEventListener('click', (e) => this.#click(e));
    place.addEventListener('keydown', (e) => this.#key(e));
    place.addEventListener('focusout', (e) => {
      const to = /** @type {Node | null} */ (e.relatedTarget);
      if (to && !place.contains(to) && to !== button) this.#close();
    });
  }

  /** @param {number} at */
  toggle(at) {
    if (!this.place.hidden) {
      this.#close();
      return;
    }
    this.#chosen = midnight(at);
    this.place.hidden = false;
    this.button.setAttribute('aria-expanded', 'true');
    this.#draw(at);
    this.#focus(this.#chosen);
  }

  #close() {
    this.place.hidden = true;
    this.button.setAttribute('aria-expanded', 'false');
  }

  /** @param {number} at */
  #focus(at) { /** @type {HTMLElement | null} */ (this.place.querySelector(`[data-day="${at}"]`))?.focus(); }

  /** @param {number} at */
  #draw(at) {
    this.#shown = at;
    const d = new Date(at);
    const first = new Date(d.getFullYear(), d.getMonth(), 1);
    const head = document.createElement('div');
    head.className = 'calhead';
    const name = document.createElement('strong');
    name.textContent = month.format(first);
    name.setAttribute('aria-live', 'polite');
    head.append(turn('‹', -1, t('js.month_before')), name, turn('›', 1, t('js.month_after')));
    const grid = document.createElement('div');
    grid.className = 'calgrid';
    const empty = (first.getDay() - monday + 7) % 7;
    for (let i = 0; i < 7; i++) {
      const letter = document.createElement('span');
      letter.textContent = weekday.format(new Date(2024, 0, 1 + i)); // that was a Monday
      letter.setAttribute('aria-hidden', 'true');
      grid.append(letter);
    }
    for (let day = first; day.getMonth() === first.getMonth(); day = new Date(midnight(day.getTime(), 1))) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = String(day.getDate());
      button.dataset.day = String(day.getTime());
      button.setAttribute('aria-label', whole.format(day));
      button.tabIndex = day.getTime() === this.#chosen ? 0 : -1;
      button.disabled = day.getTime() > Date.now();
      if (day.getTime() === this.#chosen) button.setAttribute('aria-current', 'date');
      if (day === first) button.style.gridColumnStart = String(empty + 1);
      grid.append(button);
    }
    this.place.replaceChildren(head, grid);
    this.#mark(first.getTime());
  }

  /** Marks the days with footage. @param {number} first */
  async #mark(first) {
    this.#stop.abort();
    this.#stop = new AbortController();
    const d = new Date(first);
    const to = new Date(d.getFullYear(), d.getMonth() + 1, 1).getTime();
    const query = new URLSearchParams({ cameras: this.cameras().join(), from: String(first), to: String(to), cells: '3000' });
    const got = await json(`/api/v1/overview?${query}`, this.#stop.signal).catch(() => null);
    const spans = got?.cameras.flatMap((/** @type {any} */ c) => c.spans) ?? [];
    for (const button of this.place.querySelectorAll('[data-day]')) {
      const day = Number(/** @type {HTMLElement} */ (button).dataset.day);
      const some = spans.some((/** @type {[number, number]} */ [from, end]) => from < midnight(day, 1) && end > day);
      button.toggleAttribute('data-some', some);
      if (some) button.setAttribute('aria-label', `${whole.format(day)}, ${t('js.has_footage')}`);
    }
  }

  /** @param {number} way */
  #turn(way) {
    const d = new Date(this.#shown);
    this.#draw(new Date(d.getFullYear(), d.getMonth() + way, 1).getTime());
    /** @type {HTMLElement | null} */ (this.place.querySelector(`[data-turn="${way}"]`))?.focus();
  }

  /** @param {Event} e */
  #click(e) {
    const el = /** @type {HTMLElement | null} */ (/** @type {Element} */ (e.target).closest('[data-day], [data-turn]'));
    if (el?.dataset.turn) this.#turn(Number(el.dataset.turn));
    if (!el?.dataset.day) return;
    this.#close();
    this.button.focus();
    this.pick(Number(el.dataset.day));
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    e.stopPropagation();
    if (e.key === 'Escape') {
      this.#close();
      this.button.focus();
      return;
    }
    const at = Number(/** @type {HTMLElement} */ (e.target).dataset.day);
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[e.key];
    if (!at || !by) return;
    e.preventDefault();
    const to = midnight(at, by);
    if (to > Date.now()) return;
    if (new Date(to).getMonth() !== new Date(this.#shown).getMonth()) this.#draw(to);
    this.#focus(to);
  }
}

/** @param {string} sign @param {number} way @param {string} label */
function turn(sign, way, label) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'round';
  button.textContent = sign;
  button.dataset.turn = String(way);
  button.setAttribute('aria-label', label);
  return button;
}
