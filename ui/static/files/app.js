// What every page loads.
import './timeline.js';
import './live.js';
import './player.js';
import './search.js';
import './camera.js'; // uses those above
import './wall.js';
import './device.js';
import './events.js';
import './zones.js';
import './shared.js';
import { watchHappenings } from './happenings.js';
import { personForm } from './people.js';
import { watchPrivacy } from './privacy.js';
import { watchStatus } from './status.js';
import { watchLive } from './stills.js';
import { localise } from './text.js';

localise(document);
watchStatus();
watchPrivacy();
watchHappenings();
watchLive();
for (const form of document.querySelectorAll('form[data-person]')) personForm(/** @type {HTMLFormElement} */ (form));

document.addEventListener('click', (e) => {
  if (/** @type {Element} */ (e.target).closest('[data-action="print"]')) window.print();
});

document.addEventListener('submit', (e) => {
  const form = /** @type {HTMLFormElement} */ (e.target);
  const button = form.querySelector('button:not([type])');
  if (!form.dataset.busy || !button) return;
  button.textContent = form.dataset.busy;
  button.setAttribute('disabled', '');
});
