// When the pictures of CMAF fragments are shown, from their tables (ISO/IEC
// 14496-12: moof 8.8.4, tfhd 8.8.7, trun 8.8.8, tfdt 8.8.12), so that a step is
// exactly one picture.

const video = 1; // number of the track, the same in all of our footage
const ticks = 90; // in a ms

/** The boxes in a part of the media. @param {DataView} d @param {number} from @param {number} to */
function* boxes(d, from, to) {
  for (let at = from; at + 8 <= to;) {
    const size = d.getUint32(at);
    if (size < 8 || at + size > to) return;
    yield { name: d.getUint32(at + 4), from: at + 8, to: at + size };
    at += size;
  }
}

/** @param {string} s */
const word = (s) => [...s].reduce((n, c) => n * 256 + c.charCodeAt(0), 0);
const [moof, traf, tfhd, tfdt, trun] = ['moof', 'traf', 'tfhd', 'tfdt', 'trun'].map(word);

/**
 * The fragments of some media: when the first picture of each is decoded and
 * when its pictures are shown, in order, ms since the epoch.
 * @param {ArrayBuffer} media
 * @returns {{at: number, shown: number[]}[]}
 */
export function pictures(media) {
  const d = new DataView(media);
  const found = [];
  for (const m of boxes(d, 0, d.byteLength)) {
    if (m.name !== moof) continue;
    for (const t of boxes(d, m.from, m.to)) {
      const one = t.name === traf && track(d, t.from, t.to);
      if (one) found.push(one);
    }
  }
  return found;
}

/** @param {DataView} d @param {number} from @param {number} to */
function track(d, from, to) {
  let length = 0; // of a picture that does not say its own
  let dts = 0;
  let start = 0;
  /** @type {number[]} */
  const shown = [];
  for (const b of boxes(d, from, to)) {
    const flags = d.getUint32(b.from) & 0xffffff;
    const version = d.getUint8(b.from);
    if (b.name === tfhd) {
      if (d.getUint32(b.from + 4) !== video) return null;
      const at = b.from + 8 + (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0);
      if (flags & 8) length = d.getUint32(at);
    } else if (b.name === tfdt) {
      start = dts = version ? Number(d.getBigUint64(b.from + 4)) : d.getUint32(b.from + 4);
    } else if (b.name === trun) {
      let at = b.from + 8 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0);
      for (let n = d.getUint32(b.from + 4); n > 0 && at <= b.to; n--) {
        const own = flags & 0x100 ? d.getUint32(at) : length;
        at += [0x100, 0x200, 0x400].reduce((sum, f) => sum + (flags & f ? 4 : 0), 0);
        shown.push((dts + (flags & 0x800 ? d.getInt32(at) : 0)) / ticks);
        if (flags & 0x800) at += 4;
        dts += own;
      }
    }
  }
  return { at: start / ticks, shown: shown.sort((a, b) => a - b) };
}
