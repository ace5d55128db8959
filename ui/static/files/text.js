// Texts and times for people. The catalogue is the server's; see ui/text.

/** @type {Record<string, string>} */
const texts = JSON.parse(document.getElementById('lares-text')?.textContent ?? '{}');

/**
 * Returns a text of the catalogue with its places filled.
 * @param {string} id
 * @param {Record<string, string>} [args]
 */
export function t(id, args = {}) {
  let s = texts[id] ?? id;
  for (const [name, value] of Object.entries(args)) s = s.replaceAll(`{${name}}`, value);
  return s;
}

const lang = document.documentElement.lang;

/** @param {Intl.DateTimeFormatOptions} options */
function format(options) {
  const f = new Intl.DateTimeFormat(lang === 'en' ? undefined : lang, options);
  return (/** @type {number} */ ms) => f.format(ms);
}

/** Hours and minutes in the viewer's zone. */
export const hm = format({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
/** Hours, minutes and seconds. */
export const hms = format({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
/** Day and month in words. */
export const date = format({ weekday: 'short', day: 'numeric', month: 'short' });
/** Date and time. */
export const moment = format({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** Date and time to the second. */
export const exact = format({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

/** The time alone if it is of today, else with the day. @param {number} ms */
export function short(ms) {
  return new Date(ms).toDateString() === new Date().toDateString() ? hm(ms) : `${date(ms)}, ${hm(ms)}`;
}

const formats = { time: hms, hm, date, moment, exact, short };

/** Shows the times of a page in the viewer's zone. @param {ParentNode} root */
export function localise(root) {
  for (const el of root.querySelectorAll('time[data-format]')) {
    const ms = Date.parse(el.getAttribute('datetime') ?? '');
    const how = formats[/** @type {keyof formats} */ (el.getAttribute('data-format'))];
    if (how && !Number.isNaN(ms)) el.textContent = how(ms);
  }
}

/** Midnight, in the viewer's zone, of the day of ms plus some days. @param {number} ms @param {number} [days] */
export function midnight(ms, days = 0) {
  const d = new Date(ms);
  return new Date(d.getFullYear(), d.getMonth(), d.getDate() + days).getTime();
}

/** The value of a date input. @param {number} ms */
export function dateValue(ms) {
  const d = new Date(ms);
  return `${String(d.getFullYear()).padStart(4, '0')}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

/** The value of a datetime-local input. @param {number} ms */
export function localValue(ms) {
  const d = new Date(ms);
  return `${dateValue(ms)}T${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** @param {number} n */
function two(n) { return String(n).padStart(2, '0'); }
