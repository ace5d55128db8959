// The way to the box: JSON and bytes, with its refusals as errors.
import { t } from './text.js';

/** A refusal of the box: code is for programs, message for people. */
export class Refusal extends Error {
  /** @param {number} status @param {string} code @param {string} text */
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

/**
 * Asks the box. A login that has ended leads to the login page; whoever came by a
 * link has none.
 * @param {string} url
 * @param {RequestInit} [options]
 */
export async function ask(url, options) {
  const answer = await fetch(url, { cache: 'no-store', ...options });
  if (answer.ok) return answer;
  if (answer.status === 401 && !new URL(url, location.origin).searchParams.has('link')) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const body = await answer.json().catch(() => ({}));
  throw new Refusal(answer.status, body.error?.code ?? 'failed', body.error?.text ?? t('js.failed'));
}

/** @param {string} url @param {AbortSignal} [signal] */
export async function json(url, signal) { return (await ask(url, { signal })).json(); }

/** @param {string} url @param {AbortSignal} [signal] */
export async function bytes(url, signal) { return (await ask(url, { signal })).arrayBuffer(); }

/** A random id of 32 hex digits. */
export function randomID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

/** @param {number} ms @param {AbortSignal} [signal] */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    const done = () => { clearTimeout(timer); signal?.removeEventListener('abort', done); resolve(undefined); };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
