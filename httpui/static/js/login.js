// The login page.

/** Where to go after the login: a path of this host, whatever the address says. */
function next() {
  const wanted = new URL(new URLSearchParams(location.search).get('next') || '/', location.origin);
  return wanted.origin === location.origin && wanted.pathname !== '/login' ? wanted.pathname + wanted.search + wanted.hash : '/';
}

const form = /** @type {HTMLFormElement} */ (document.getElementById('login'));
const problem = /** @type {HTMLElement} */ (document.getElementById('problem'));

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'));
  button.disabled = true;
  problem.textContent = '';
  try {
    const { name, password } = Object.fromEntries(new FormData(form));
    const response = await fetch('/api/v1/login', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name, password }) });
    if (response.ok) {
      location.replace(next());
      return;
    }
    problem.textContent = (await response.json()).error;
  } catch {
    problem.textContent = 'The server cannot be reached.';
  }
  button.disabled = false;
});
