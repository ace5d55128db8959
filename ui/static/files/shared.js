// <lares-shared>: the page of a link. The secret stands in the part of the address
// that browsers do not send; it is posted once. <lares-copy>: a text to copy.
import { Refusal, ask, sleep } from './api.js';
import { date, hms, moment, t } from './text.js';

/** @typedef {{camera: string, name: string, label: string, by: string, from: number, to: number, until: number, sound: boolean, sub: boolean}} Shared */

export class LaresShared extends HTMLElement {
  #player = /** @type {any} */ (null);
  #shared = /** @type {Shared | null} */ (null);
  #stop = new AbortController();

  async connectedCallback() {
    window.addEventListener('hashchange', () => location.reload(), { signal: this.#stop.signal });
    try {
      this.#show(await this.#open());
      await this.#stay();
    } catch (err) {
      if (!this.#stop.signal.aborted) this.#over(/** @type {Error} */ (err).message);
    }
  }

  /** @returns {Promise<Shared>} */
  async #open() {
    const [link, secret] = location.hash.slice(1).split('.');
    if (!link || !secret) throw new Error(t('js.shared_bad'));
    const answer = await ask('/api/v1/shared?link', { method: 'POST', body: new URLSearchParams({ link, secret }) });
    return answer.json();
  }

  disconnectedCallback() { this.#stop.abort(); }

  /** @param {string} name @returns {any} */
  #part(name) { return this.querySelector(`[data-part="${name}"]`); }

  /** @param {Shared} s */
  #show(s) {
    this.#shared = s;
    this.#part('title').textContent = s.label || s.name;
    const span = `${s.name}, ${date(s.from)}, ${hms(s.from)} – ${hms(s.to)}. `;
    this.#part('about').textContent = span + t('js.shared_by', { who: s.by, until: moment(s.until) });
    const player = document.createElement('lares-player');
    for (const [name, value] of Object.entries({ camera: s.camera, quality: 'main', link: '', from: s.from, to: s.to })) player.setAttribute(name, String(value));
    player.toggleAttribute('has-sub', s.sub);
    this.#player = player;
    this.#part('stage').append(player);
    this.#part('mute').hidden = !s.sound;
    Object.assign(this.#part('where'), { min: s.from, max: s.to, value: s.from });
    this.#part('said').hidden = true;
    this.#part('all').hidden = false;
    this.#listen();
    this.#seek(s.from);
    this.#player.play();
  }

  #listen() {
    const { signal } = this.#stop;
    this.addEventListener('click', (e) => {
      const action = /** @type {Element} */ (e.target).closest('[data-action]')?.getAttribute('data-action');
      ({
        toggle: () => this.#player.toggle(),
        back: () => this.#seek(this.#player.now - 10e3),
        forward: () => this.#seek(this.#player.now + 10e3),
        mute: () => this.#mute(),
        full: () => this.#full(),
      })[action ?? '']?.();
    }, { signal });
    this.#part('where').addEventListener('change', () => this.#seek(Number(this.#part('where').value)), { signal });
    this.#player.addEventListener('lares-time', () => this.#tick(), { signal });
  }

  /** @param {number} at */
  #seek(at) {
    const { from, to } = /** @type {Shared} */ (this.#shared);
    this.#player.seek(Math.min(Math.max(at, from), to - 1000));
  }

  #mute() {
    this.#player.muted = !this.#player.muted;
    this.#part('mute').setAttribute('aria-pressed', String(!this.#player.muted));
  }

  #full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.#part('stage').requestFullscreen?.().catch(() => {});
  }

  #tick() {
    const { from, to } = /** @type {Shared} */ (this.#shared);
    const { now, playing } = this.#player;
    this.#part('icon-play').hidden = playing;
    this.#part('icon-pause').hidden = !playing;
    if (now < from || now > to + 1000) return;
    this.#part('clock').textContent = hms(now);
    if (!this.#part('where').matches(':active')) this.#part('where').value = String(now);
    if (playing && now > to - 200) this.#player.pause();
  }

  /**
   * Reads an answer that lasts as long as the session of the link. When it ends
   * the link is opened again: the box was started anew, the network changed, or
   * the link is over, which this throws.
   */
  async #stay() {
    const { signal } = this.#stop;
    const { camera } = /** @type {Shared} */ (this.#shared);
    while (!signal.aborted) {
      try {
        const answer = await ask(`/api/v1/cameras/${camera}/shared?link`, { signal });
        const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
        while (!(await reader.read()).done);
      } catch { /* as an end */ }
      await this.#open().catch((err) => { if (err instanceof Refusal) throw err; });
      await sleep(1000, signal);
    }
  }

  /** Shows nothing more. @param {string} text */
  #over(text) {
    this.#stop.abort();
    this.#player?.remove();
    this.#part('all').hidden = true;
    this.#part('said').textContent = text;
    this.#part('said').hidden = false;
  }
}

class LaresCopy extends HTMLElement {
  connectedCallback() {
    const text = /** @type {HTMLInputElement} */ (this.querySelector('input'));
    const button = /** @type {HTMLButtonElement} */ (this.querySelector('button'));
    text.addEventListener('focus', () => text.select());
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(text.value);
      button.textContent = button.dataset.done ?? '';
    });
  }
}

customElements.define('lares-shared', LaresShared);
customElements.define('lares-copy', LaresCopy);
