// The form of a person: roles tick the usual rights, times are the viewer's.
import { localValue } from './text.js';

/** @param {HTMLFormElement} form */
export function personForm(form) {
  const chosen = () => /** @type {HTMLInputElement | null} */ (form.querySelector('[name="role"]:checked'));
  /** @param {boolean} preset */
  const fit = (preset) => {
    const role = chosen();
    if (!role) return;
    const most = (role.dataset.most ?? '').split(' ');
    const usual = (role.dataset.preset ?? '').split(' ');
    for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('[data-right]'))) {
      const right = box.dataset.right ?? '';
      if (preset) box.checked = usual.includes(right) && hasAny(box);
      box.disabled = !most.includes(right);
      if (box.disabled) box.checked = false;
    }
    for (const part of ['rights', 'times']) {
      /** @type {HTMLElement} */ (form.querySelector(`[data-part="${part}"]`)).hidden = role.value === 'owner';
    }
  };
  form.addEventListener('change', (e) => {
    if (/** @type {HTMLInputElement} */ (e.target).name === 'role') fit(true);
  });
  fit(false);
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('[data-moment]'))) moment(input);
}

/**
 * Reports whether the camera of a box is shared at all: a role does not share
 * one that is not.
 * @param {HTMLInputElement} box
 */
function hasAny(box) {
  return box.closest('.rights')?.querySelector('[data-right]:checked') !== null;
}

/** Tells the box the instant of a time that was typed. @param {HTMLInputElement} input */
function moment(input) {
  const exact = /** @type {HTMLInputElement} */ (input.form?.elements.namedItem(`${input.name}-ms`));
  if (exact.value) input.value = localValue(Number(exact.value)).slice(0, 16);
  input.addEventListener('change', () => {
    const ms = new Date(input.value).getTime();
    exact.value = Number.isNaN(ms) ? '' : String(ms);
  });
}
