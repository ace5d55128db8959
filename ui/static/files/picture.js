// Where the picture lies on the page: it is seldom as wide and high as what
// holds it.

/** @typedef {[number, number, number, number]} Box x, y, w, h in parts of the picture */
/** @typedef {{left: number, top: number, width: number, height: number}} Rect pixels from the corner of an element */

/** The picture inside an element. @param {Element} host @returns {Rect} */
export function pictureRect(host) {
  const outer = host.getBoundingClientRect();
  const part = host.querySelector('lares-player:not([hidden])') ?? host.querySelector('lares-live') ?? host;
  const frame = part.getBoundingClientRect();
  const video = part.querySelector('video');
  const aspect = video?.videoWidth ? video.videoWidth / video.videoHeight : 16 / 9;
  const width = Math.min(frame.width, frame.height * aspect);
  const height = width / aspect;
  return {
    left: frame.left - outer.left + (frame.width - width) / 2, top: frame.top - outer.top + (frame.height - height) / 2, width, height,
  };
}

/** Lays an element over a part of the picture. @param {HTMLElement} el @param {Rect} rect @param {Box} box */
export function layOver(el, rect, [x, y, w, h]) {
  el.style.left = `${rect.left + x * rect.width}px`;
  el.style.top = `${rect.top + y * rect.height}px`;
  el.style.width = `${w * rect.width}px`;
  el.style.height = `${h * rect.height}px`;
}

/** A place in parts of the picture, at its edge if the pointer is outside. @param {PointerEvent} e @param {DOMRect | {left: number, top: number, width: number, height: number}} rect in the window */
export function placeIn(e, rect) {
  return /** @type {[number, number]} */ ([part((e.clientX - rect.left) / rect.width), part((e.clientY - rect.top) / rect.height)]);
}

/** @param {number} v */
export function part(v) { return Math.min(1, Math.max(0, v)); }
