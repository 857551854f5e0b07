// Requests to the API.

/** What the server answered instead of data, in its own words. */
export class Failure extends Error {
  /**
   * @param {string} message
   * @param {{id?: string, status?: number, position?: number|null, errors?: Record<string, string>}} [more]
   *   request id (to be found in the server's log), status, place in the filter, message of each field
   */
  constructor(message, { id = '', status = 0, position = null, errors = {} } = {}) {
    super(message);
    this.id = id;
    this.status = status;
    this.position = position;
    this.errors = errors;
  }

  /** An API that this server does not have. */
  get missing() { return this.status === 404; }
}

/** The address of an API with its parameters; empty ones stay out. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, v]) => v !== '' && v !== undefined && v !== null).map(([k, v]) => [k, String(v)]));
  return `/api/v1/${path}${query.size ? `?${query}` : ''}`;
}

/**
 * @param {string} path  below /api/v1/
 * @param {Record<string, string|number|undefined>} [parameters]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export const get = (path, parameters, signal) => ask(address(path, parameters), { signal });

/**
 * Changes something.
 * @param {'POST'|'PUT'|'PATCH'|'DELETE'} method
 * @param {string} path
 * @param {object} [body]
 * @param {AbortSignal} [signal]
 */
export const send = (method, path, body, signal) => ask(address(path), {
  method, signal, body: body === undefined ? undefined : JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
});

async function ask(url, init) {
  let response;
  try {
    response = await fetch(url, { ...init, headers: { Accept: 'application/json', ...init.headers } });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Failure('The server cannot be reached. It may be restarting.');
  }
  if (response.status === 204) return null;
  const body = await response.json().catch((error) => {
    if (init.signal?.aborted) throw error;
    return null;
  });
  if (response.status === 401 && !url.endsWith('/login')) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!response.ok) {
    throw new Failure(body?.error ?? (body?.errors ? 'Some fields are not right.' : `The server answered ${response.status}.`), {
      id: body?.request_id ?? response.headers.get('X-Request-Id') ?? '', status: response.status, position: body?.position ?? null, errors: body?.errors ?? {},
    });
  }
  return body;
}
