// Requests to the API. A newer request of the same path cancels the older one.
const running = new Map();

/** What the server answered instead of data, in its own words. */
export class Failure extends Error {
  /** @param {string} message  @param {string} [id] request id, to be found in the server's log */
  constructor(message, id = '') {
    super(message);
    this.id = id;
  }
}

/**
 * @param {string} path  below /api/v1/
 * @param {Record<string, string|number>} [parameters]
 * @returns {Promise<any>}
 */
export async function get(path, parameters = {}) {
  running.get(path)?.abort();
  const control = new AbortController();
  running.set(path, control);
  const query = new URLSearchParams(Object.entries(parameters).map(([k, v]) => [k, String(v)]));
  let response;
  try {
    response = await fetch(`/api/v1/${path}?${query}`, { signal: control.signal, headers: { Accept: 'application/json' } });
  } catch (error) {
    if (control.signal.aborted) throw error;
    throw new Failure('The server cannot be reached. It may be restarting.');
  }
  const body = await response.json().catch((error) => {
    if (control.signal.aborted) throw error;
    return null;
  });
  if (!response.ok) throw new Failure(body?.error ?? `The server answered ${response.status}.`, response.headers.get('X-Request-Id') ?? '');
  return body;
}
