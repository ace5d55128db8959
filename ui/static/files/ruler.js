// What a time line draws beside its rows: the marks of the clock in the viewer's
// zone, and hatching where nothing was recorded.
import { date, hm, hms, midnight } from './text.js';

const room = 62; // px between two labels
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const steps = [
  second, 5 * second, 10 * second, 30 * second, minute, 2 * minute, 5 * minute, 10 * minute, 30 * minute,
  hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, 24 * hour, 48 * hour, 168 * hour,
];
const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: 'short' });

/** The colours of an element by the names of their tokens: a canvas does not know light-dark(). @param {Element} el @param {boolean} dark */
export function palette(el, dark) {
  const style = getComputedStyle(el);
  return (/** @type {string} */ name) => {
    const value = style.getPropertyValue(name);
    const both = /light-dark\(\s*([^,]+),\s*([^)]+)\)/.exec(value);
    return both ? both[dark ? 2 : 1].trim() : value.trim();
  };
}

/** Whether the clock shows this time twice that day. @param {number} at */
function twice(at) {
  const offset = (/** @type {number} */ ms) => new Date(ms).getTimezoneOffset();
  const [before, here, after] = [at - 3 * hour, at, at + 3 * hour].map(offset);
  if (after > here) return offset(at + (after - here) * minute) > here;
  return here > before && offset(at - (here - before) * minute) < here;
}

/**
 * The times to label between two times, and what to write there. Hours are real
 * ones: in autumn one comes twice, and both are named by their zone.
 * @param {number} from @param {number} to @param {number} step ms
 * @returns {{at: number, label: string, day: boolean}[]}
 */
export function ticks(from, to, step) {
  const out = [];
  for (let day = midnight(from); day <= to; day = midnight(day, 1)) {
    const end = midnight(day, 1);
    const few = Math.max(1, Math.round(step / (24 * hour)));
    if (step >= 24 * hour) {
      const d = new Date(day);
      if (few === 7 ? d.getDay() === 1 : d.getDate() % few === 0 || few === 1) out.push({ at: day, label: '', day: true });
      continue;
    }
    out.push({ at: day, label: '', day: true });
    const first = Math.max(day + Math.min(step, hour), day + Math.floor((from - day) / hour) * hour);
    for (let at = first; at < Math.min(end, to + step); at += Math.min(step, hour)) {
      const d = new Date(at);
      const clock = (d.getHours() * 60 + d.getMinutes()) * minute + d.getSeconds() * second;
      if (clock % step !== 0 || at < from - step) continue;
      const name = step < minute ? hms(at) : hm(at);
      const part = twice(at) ? zone.formatToParts(at).find((p) => p.type === 'timeZoneName')?.value : '';
      out.push({ at, label: part ? `${name} ${part}` : name, day: false });
    }
  }
  return out;
}

/**
 * Draws the marks of the clock and the days above them.
 * @param {CanvasRenderingContext2D} g
 * @param {{from: number, to: number, width: number, bottom: number, x: (at: number) => number, color: (name: string) => string}} view
 */
export function marks(g, { from, to, width, bottom, x, color }) {
  const step = steps.find((s) => (width * s) / (to - from) >= room) ?? steps[steps.length - 1];
  g.textAlign = 'left';
  let free = 0; // px from which on a date can stand
  const all = ticks(from, to, step);
  const first = all.find((m) => m.day && m.at >= from);
  g.font = '600 12px system-ui, sans-serif';
  const pinned = date(from);
  if (!first || x(first.at) > g.measureText(pinned).width + 14) {
    g.fillStyle = color('--ink');
    g.fillText(pinned, 2, 12);
    free = g.measureText(pinned).width + 14;
  }
  for (const { at, label, day } of all) {
    const px = Math.round(x(at));
    if (px < 0 || px > width) continue;
    g.fillStyle = color(day ? '--soft' : '--line');
    g.fillRect(px, day ? 4 : 28, 1, day ? bottom - 4 : 6);
    if (day) {
      g.font = '600 12px system-ui, sans-serif';
      const words = date(at);
      const wide = g.measureText(words).width;
      if (px + 5 < free || px + 5 + wide > width) continue;
      g.fillStyle = color('--ink');
      g.fillText(words, px + 5, 12);
      free = px + wide + 14;
      continue;
    }
    g.font = '11.5px system-ui, sans-serif';
    const half = g.measureText(label).width / 2;
    if (px < half || px > width - half) continue;
    g.fillStyle = color('--soft');
    g.fillText(label, px - half, 26);
  }
}

/** @param {CanvasRenderingContext2D} g @param {number[]} box from, to, top, height @param {string} color @param {string} ground */
export function hatch(g, [from, to, top, height], color, ground) {
  g.save();
  g.beginPath();
  g.rect(from, top, Math.max(1.5, to - from), height);
  g.clip();
  g.fillStyle = ground;
  g.fillRect(from, top, Math.max(1.5, to - from), height);
  g.globalAlpha = 0.6;
  g.strokeStyle = color;
  g.lineWidth = 1.5;
  for (let x = from - height - (from % 6); x < to + height; x += 6) {
    g.beginPath();
    g.moveTo(x, top + height);
    g.lineTo(x + height, top);
    g.stroke();
  }
  g.restore();
}
