// The browser of the tests: Chromium with nothing of its own going on, and a
// record of everything that a page of ours must never do.
import { chromium } from 'playwright-core';

const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** @param {string} executablePath */
export function launch(executablePath) {
  // Playwright adds --headless and a fresh profile, which it removes at the end.
  return chromium.launch({ executablePath, args: flags, headless: true });
}

/** What pages did that none of them may do: each must stay empty. */
export class Offences {
  /** @type {string[]} */
  consoleErrors = [];
  /** @type {string[]} */
  pageErrors = [];
  /** @type {string[]} */
  cspReports = [];
  /** @type {string[]} */
  offOrigin = [];

  /** Answers that were refusals, for the report of a step that failed. @type {string[]} */
  refusals = [];

  /** @param {string} origin the only one that a page may ask */
  constructor(origin) { this.origin = origin; }

  /** @param {import('playwright-core').BrowserContext} context */
  async watch(context) {
    // A violation is reported to the box, if a page says so, and always to the
    // document: the second cannot be missed.
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (e) => {
        console.error(`CSP: ${e.violatedDirective} blocked ${e.blockedURI} at ${e.sourceFile}:${e.lineNumber}`);
      });
    });
    context.on('request', (r) => this.#request(r));
    context.on('response', (r) => {
      if (r.status() >= 400) this.refusals.push(`${r.status()} ${r.request().method()} ${r.url()}`);
    });
    context.on('page', (page) => {
      page.on('console', (m) => this.#said(m));
      page.on('pageerror', (e) => this.pageErrors.push(`${page.url()}: ${e.message}`));
    });
  }

  /** @param {import('playwright-core').Request} r */
  #request(r) {
    const url = new URL(r.url());
    if (url.protocol === 'blob:' || url.protocol === 'data:') return;
    if (url.origin !== this.origin) this.offOrigin.push(`${r.method()} ${r.url()}`);
    if (/report/.test(r.headers()['content-type'] ?? '')) this.cspReports.push(r.postData() ?? r.url());
  }

  /** @param {import('playwright-core').ConsoleMessage} m */
  #said(m) {
    if (m.type() !== 'error') return;
    const text = `${m.text()} (${m.location().url})`;
    (text.startsWith('CSP: ') ? this.cspReports : this.consoleErrors).push(text);
  }

  /** All that was noted so far. */
  report() {
    return [...this.consoleErrors, ...this.pageErrors, ...this.cspReports, ...this.offOrigin, ...this.refusals].join('\n');
  }

  /** Throws if there was anything that must not be, naming all of it. */
  check() {
    const lists = Object.entries({
      'console errors': this.consoleErrors, 'page errors': this.pageErrors,
      'CSP reports': this.cspReports, 'requests to elsewhere': this.offOrigin,
    });
    const found = lists.filter(([, list]) => list.length > 0);
    if (found.length > 0) throw new Error(found.map(([name, list]) => `${list.length} ${name}:\n  ${list.join('\n  ')}`).join('\n'));
    return lists.map(([name]) => `0 ${name}`).join(', ');
  }
}

/** Takes the steps one after the other and writes each as a line of JSON; the first that fails ends the run. */
export class Steps {
  failed = false;

  /** @param {() => Promise<string>} explain looks at what is there when a step has failed */
  constructor(explain) { this.explain = explain; }

  /** @param {string} name @param {() => Promise<string | void>} work what it returns is a note for the report */
  async take(name, work) {
    if (this.failed) return;
    const start = performance.now();
    let line;
    try {
      line = { step: name, ok: true, note: (await work()) ?? '' };
    } catch (err) {
      this.failed = true;
      const why = await this.explain().catch((e) => `no explanation: ${e}`);
      line = { step: name, ok: false, note: `${err instanceof Error ? err.stack ?? err.message : err}\n${why}` };
    }
    process.stdout.write(`${JSON.stringify({ ...line, ms: Math.round(performance.now() - start) })}\n`);
  }
}

/** @param {boolean} ok @param {string} message what is wrong otherwise */
export function must(ok, message) {
  if (!ok) throw new Error(message);
}
