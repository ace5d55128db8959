// The events of the day beside the player of one camera.
import { randomID, Refusal } from './api.js';
import { events, fillEvent, lead } from './eventlist.js';
import { t } from './text.js';

const page = 200; // events in one answer
const most = 2000; // that are listed

/** @typedef {import('./eventlist.js').Stored} Stored */

export class DayEvents {
  /** @type {Stored[]} newest first */
  list = [];
  #view = randomID(); // one line in the record of who looked for each page
  #key = '';
  #stop = new AbortController();

  /**
   * @param {HTMLElement} place the list @param {HTMLElement} said
   * @param {string} camera @param {(at: number) => void} play
   */
  constructor(place, said, camera, play) {
    this.place = place;
    this.said = said;
    this.camera = camera;
    this.play = play;
  }

  /** Lists what moved between two times; true if that is new. @param {number} from @param {number} to */
  async load(from, to) {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    /** @type {Stored[]} */
    const found = [];
    try {
      for (let before = ''; found.length < most;) {
        const got = await events({ camera: this.camera, from, to, before, limit: page, view: this.#view }, signal);
        found.push(...got.events);
        before = got.next;
        if (!before) break;
      }
    } catch (err) {
      if (signal.aborted) return false;
      if (err instanceof Refusal) this.#show([], err.message, `refused ${err.code}`);
      return false;
    }
    if (signal.aborted) return false;
    return this.#show(found, found.length ? '' : t('js.nothing_moved'), found.map((e) => e.id).join());
  }

  /** Empties the list while another day is fetched. */
  clear() { this.#show([], '', ''); }

  /** @param {Stored[]} list @param {string} said @param {string} key */
  #show(list, said, key) {
    this.said.textContent = said;
    if (key === this.#key) return false;
    this.#key = key;
    this.list = list;
    this.place.replaceChildren(...list.map((e) => this.#row(e)));
    return true;
  }

  /** @param {Stored} e */
  #row(e) {
    const li = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'event';
    fillEvent(button, e);
    button.addEventListener('click', () => this.play(e.start - lead));
    li.append(button);
    return li;
  }

  /** Marks the event of a time. @param {number} at NaN for none */
  mark(at) {
    const now = this.list.findIndex((e) => at >= e.start - lead && at <= e.end);
    for (const [i, li] of [...this.place.children].entries()) {
      const button = li.firstElementChild;
      if (i === now) button?.setAttribute('aria-current', 'true');
      else if (button?.hasAttribute('aria-current')) button.removeAttribute('aria-current');
    }
  }
}
