// Marking a stretch of time and saving it as a file, with how far it is.
import { ask, Refusal } from './api.js';
import { duration } from './eventlist.js';
import { localValue, t } from './text.js';

const longest = 2 * 3600e3; // ms of a clip
const inPage = 400e6; // bytes; the browser itself fetches what is larger
const wish = 'lares-save'; // the clip to save after the password

export class Clip {
  #form;
  #stop = /** @type {AbortController | null} */ (null);

  /**
   * @param {HTMLDetailsElement} place @param {string} camera
   * @param {() => string} quality @param {(marked: [number, number] | null) => void} changed
   */
  constructor(place, camera, quality, changed) {
    this.place = place;
    this.camera = camera;
    this.quality = quality;
    this.changed = changed;
    this.#form = /** @type {any} */ (this.#part('export-form'));
    this.#form.addEventListener('submit', (/** @type {Event} */ e) => {
      e.preventDefault();
      this.#save();
    });
    this.#form.addEventListener('input', () => this.#told());
    this.#part('export-stop').addEventListener('click', () => this.#stop?.abort());
    if (new URLSearchParams(location.search).has('save')) this.#saveWished();
  }

  /** @param {string} name @returns {any} */
  #part(name) { return this.place.querySelector(`[data-part="${name}"]`); }

  /** What is marked, ms; null where it is no stretch of time. @returns {[number, number] | null} */
  get span() {
    const [from, to] = ['from', 'to'].map((n) => new Date(this.#form.elements[n].value).getTime());
    return to > from ? [from, to] : null;
  }

  /** Marks where the clip begins or ends. @param {'from' | 'to'} name @param {number} at */
  mark(name, at) {
    const { from, to } = this.#form.elements;
    this.#form.elements[name].value = localValue(at);
    if (name === 'from' && to.value && !this.span) to.value = '';
    if (name === 'to' && from.value && !this.span) from.value = '';
    this.place.open = true;
    this.#told();
  }

  /** Opens it with the minute around a time, unless something is marked. @param {number} at */
  open(at) {
    const { from, to } = this.#form.elements;
    if (!from.value && !to.value) {
      const middle = Math.min(at, Date.now() - 30e3);
      from.value = localValue(middle - 30e3);
      to.value = localValue(middle + 30e3);
    }
    this.place.open = true;
    this.place.scrollIntoView({ block: 'nearest' });
    this.#form.querySelector('button.primary').focus({ preventScroll: true });
    this.#told();
  }

  clear() {
    this.#form.reset();
    this.place.open = false;
    this.#told();
  }

  #told() {
    const { span } = this;
    this.changed(span);
    this.#part('export-length').textContent = span ? duration(span[1] - span[0]) : '';
    for (const link of this.place.querySelectorAll('a[data-for]')) {
      link.toggleAttribute('hidden', !span);
      const [from, to] = span ?? [0, 0];
      link.setAttribute('href', `/cameras/${this.camera}/${link.getAttribute('data-for')}?from=${from}&to=${to}`);
    }
  }

  /** Goes on with the clip that was asked for before the password. */
  #saveWished() {
    history.replaceState(null, '', location.pathname);
    const { from, to } = JSON.parse(sessionStorage.getItem(wish) ?? '{}');
    sessionStorage.removeItem(wish);
    if (!from) return;
    this.mark('from', from);
    this.mark('to', to);
    this.#form.requestSubmit();
  }

  async #save() {
    const [from, to] = this.span ?? [0, 0];
    const said = this.#part('export-error');
    const button = this.#form.querySelector('button.primary');
    said.hidden = true;
    button.disabled = true;
    this.#stop = new AbortController();
    try {
      if (!(to > from && to - from <= longest)) throw new Error(t('js.range'));
      await this.#fetch(`/api/v1/cameras/${this.camera}/export.mp4?from=${from}&to=${to}&quality=${this.quality()}`, this.#stop.signal);
    } catch (err) {
      if (err instanceof Refusal && err.code === 'step-up') {
        sessionStorage.setItem(wish, JSON.stringify({ from, to }));
        location.assign(`/prove?next=${encodeURIComponent(`${location.pathname}?save`)}`);
        return;
      }
      said.textContent = this.#stop.signal.aborted ? '' : /** @type {Error} */ (err).message;
      said.hidden = !said.textContent;
    }
    this.#part('export-progress').hidden = true;
    button.disabled = false;
  }

  /** @param {string} url @param {AbortSignal} signal */
  async #fetch(url, signal) {
    const first = await ask(url, { headers: { Range: 'bytes=0-0' }, signal }); // says what is wrong, or how much it is
    await first.arrayBuffer();
    const size = Number(first.headers.get('Content-Range')?.split('/')[1]);
    if (!(size > 0 && size <= inPage)) {
      save(url, '');
      return;
    }
    const answer = await ask(url, { signal });
    const name = /filename\*?="?(?:utf-8'')?([^";]+)/i.exec(answer.headers.get('Content-Disposition') ?? '')?.[1] ?? 'clip.mp4';
    const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
    const parts = [];
    const began = performance.now();
    this.#part('export-progress').hidden = false;
    for (let got = 0; ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      got += value.byteLength;
      this.#progress(got, size, performance.now() - began);
    }
    const blob = URL.createObjectURL(new Blob(/** @type {any} */ (parts), { type: 'video/mp4' }));
    save(blob, decodeURIComponent(name));
    setTimeout(() => URL.revokeObjectURL(blob), 60e3);
  }

  /** @param {number} got bytes @param {number} size @param {number} ms since it began */
  #progress(got, size, ms) {
    const bar = this.#part('export-bar');
    bar.max = size;
    bar.value = got;
    const left = duration((ms * (size - got)) / got);
    this.#part('export-left').textContent = t('js.export_left', { mb: (got / 1e6).toFixed(0), of: (size / 1e6).toFixed(0), time: left });
  }
}

/** Lets the browser keep a file. @param {string} url @param {string} name */
export function save(url, name) {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}
