// <lares-remember> and <lares-device>: a device that opens the recordings without
// a password. One secret lies in a cookie, the other here, where no other service
// on the same host reaches it.
import { Refusal, ask } from './api.js';
import { t } from './text.js';

const table = 'device';

/**
 * Runs one request on the store of this browser.
 * @param {IDBTransactionMode} mode
 * @param {(s: IDBObjectStore) => IDBRequest} use
 */
function store(mode, use) {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open('lares', 1);
    open.onupgradeneeded = () => open.result.createObjectStore(table);
    open.onerror = () => reject(open.error);
    open.onsuccess = () => {
      const turn = open.result.transaction(table, mode);
      const request = use(turn.objectStore(table));
      turn.oncomplete = () => { open.result.close(); resolve(request.result); };
      turn.onabort = () => { open.result.close(); reject(turn.error); };
    };
  });
}

/** @param {string} url @param {Record<string, string>} [fields] */
function post(url, fields = {}) {
  return ask(url, { method: 'POST', body: new URLSearchParams(fields) });
}

/** Makes this browser a remembered device and goes on. */
class LaresRemember extends HTMLElement {
  connectedCallback() {
    if (this.hasAttribute('now')) this.#remember();
    this.querySelector('button')?.addEventListener('click', () => this.#remember());
  }

  async #remember() {
    const said = /** @type {HTMLElement} */ (this.querySelector('[role="status"]'));
    said.textContent = said.dataset.busy ?? '';
    try {
      const { second } = await (await post('/api/v1/device')).json();
      await store('readwrite', (s) => s.put(second, 'second'));
      location.replace(this.getAttribute('next') ?? '/');
    } catch (err) {
      if (err instanceof Refusal && err.code === 'step-up') {
        location.assign(`/prove?next=${encodeURIComponent(location.pathname + location.search)}`);
        return;
      }
      said.textContent = err instanceof Refusal ? err.message : t('js.no_memory');
    }
  }
}

/** Offers the way in of a remembered device. */
class LaresDevice extends HTMLElement {
  async connectedCallback() {
    const button = /** @type {HTMLButtonElement} */ (this.querySelector('button'));
    const said = /** @type {HTMLElement} */ (this.querySelector('[role="alert"]'));
    const second = await store('readonly', (s) => s.get('second')).catch(() => '');
    if (!second) return;
    this.hidden = false;
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        await post('/api/v1/device/login', { second });
        location.replace(this.getAttribute('next') ?? '/');
      } catch (err) {
        button.disabled = false;
        said.textContent = /** @type {Error} */ (err).message;
        said.hidden = false;
        // Somebody else's session: the device is still remembered for its own person.
        if (!(err instanceof Refusal) || err.code !== 'device' || !this.hasAttribute('forget')) return;
        button.hidden = true;
        await store('readwrite', (s) => s.delete('second'));
      }
    });
  }
}

customElements.define('lares-remember', LaresRemember);
customElements.define('lares-device', LaresDevice);
