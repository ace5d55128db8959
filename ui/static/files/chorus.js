// Several players on one clock. It is told what to do as one player is; each
// player follows its time, and where none has footage the clock goes on to where
// one has.
const beat = 200; // ms between two looks at the players
const patience = 3000; // ms that the clock waits for a player that is slow
const rates = [0.25, 0.5, 1, 2, 4, 8, 16];

export class Chorus extends EventTarget {
  /** @type {any[]} of <lares-player> */
  players = [];
  #at = 0; // ms, at #since
  #since = 0;
  #rate = 1;
  #playing = false;
  #held = 0; // since when the clock waits; 0: it does not
  #timer = 0;

  /** @param {(at: number) => number} next when there is footage again @param {(err: CustomEvent) => void} locked */
  constructor(next, locked) {
    super();
    this.next = next;
    this.locked = locked;
  }

  /** Takes the players that are to sing. @param {any[]} players */
  take(players) {
    this.players = players;
    for (const p of players) {
      p.addEventListener('lares-locked', this.locked);
    }
    this.#timer = window.setInterval(() => this.#beat(), beat);
  }

  get now() { return this.#playing && !this.#held ? this.#at + (performance.now() - this.#since) * this.#rate : this.#at; }
  get playing() { return this.#playing; }
  get rate() { return this.#rate; }
  get quality() { return 'sub'; }
  set muted(/** @type {boolean} */ m) { for (const p of this.players) p.muted = m; }

  /** @param {number} at */
  #set(at) {
    this.#at = at;
    this.#since = performance.now();
  }

  play() {
    this.#set(this.now);
    this.#playing = true;
    this.#tell();
  }

  pause() {
    this.#set(this.now);
    this.#playing = false;
    for (const p of this.players) p.pause();
    this.#tell();
  }

  toggle() { this.#playing ? this.pause() : this.play(); }

  /** @param {number} way 1 or -1 */
  shift(way) {
    const i = rates.indexOf(this.#rate) + way;
    if (i >= 0 && i < rates.length) this.setRate(rates[i]);
  }

  /** @param {number} rate */
  setRate(rate) {
    this.#set(this.now);
    this.#rate = rate;
    for (const p of this.players) p.setRate(rate);
    this.#tell();
  }

  /** Steps the first camera that has a picture, and takes the others along. @param {number} way 1 or -1 */
  async step(way) {
    this.pause();
    const first = this.players.find((p) => !p.hasAttribute('data-hole'));
    if (!first) return;
    await first.step(way);
    this.#set(first.now);
    await Promise.all(this.players.filter((p) => p !== first).map((p) => p.seek(this.#at)));
    this.#tell();
  }

  /** @param {number} at ms @param {{scrub?: boolean}} [how] */
  async seek(at, how) {
    this.#set(at);
    this.#held = performance.now();
    this.#tell();
    await Promise.all(this.players.map((p) => p.seek(at, how)));
  }

  close() {
    clearInterval(this.#timer);
    this.#playing = false;
    for (const p of this.players) p.remove();
    this.players = [];
  }

  #beat() {
    const at = this.now;
    let sings = false;
    let waits = false;
    for (const p of this.players) {
      const here = p.follow(at, this.#playing && !this.#held);
      sings ||= here;
      waits ||= here && !p.ready;
    }
    if (!this.#playing) return;
    this.#hold(waits);
    if (!sings) this.#onwards(at);
    this.#tell();
  }

  /** Lets the clock wait for the slowest, but not for ever. @param {boolean} waits */
  #hold(waits) {
    const now = performance.now();
    if (this.#held && (!waits || now - this.#held > patience)) {
      this.#since = now;
      this.#held = 0;
    } else if (!this.#held && waits && now - this.#since > 2 * patience) {
      this.#set(this.now);
      this.#held = now;
    }
  }

  /** @param {number} at */
  #onwards(at) {
    const next = this.next(at);
    if (next > at + 1000 && next < Infinity) this.seek(next);
    else if (at > Date.now() - 3000) this.dispatchEvent(new CustomEvent('lares-end'));
  }

  #tell() { this.dispatchEvent(new CustomEvent('lares-time', { detail: this.now })); }
}
