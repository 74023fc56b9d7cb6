/** The requests to the API: tokens, tags, errors and timeouts. No other module calls fetch. */

import { read, write } from "./json.js";

const ROOT = "api/v1/admin/";

/** The timeout of a request in milliseconds. A repair of 10,000 builds takes some seconds. */
const TIMEOUT = 60_000;

/** The service has refused a request. The message is that of the service. */
export class Refused extends Error {
  /** @param {number} status @param {{error?: string, fields?: object} | undefined} body @param {string} requestId */
  constructor(status, body, requestId) {
    super(body?.error ?? `A proxy in front of the service answered ${status}; try again.`);
    this.status = status;
    /** @type {Record<string, string[]>} the faults by field */
    this.fields = { ...body?.fields };
    this.requestId = requestId;
  }
}

/** A request has no response. It may or may not have reached the service. */
export class Lost extends Error {
  /** @param {boolean} writes whether the request may have changed something */
  constructor(writes) {
    super(
      (writes
        ? "The connection was lost, and the change may or may not have been made. Repeating it is safe. "
        : "The service does not answer. ") + "Try again; your input is kept.",
    );
  }
}

/** The token for requests, and a function that asks the user for a new one and shows the service's sentence. */
export const session = { token: "", ask: async (/** @type {string} */ sentence) => console.warn(sentence) };

/** @type {Promise<void> | null} */
let asking = null;

/** The milliseconds by which the service's clock is ahead of this one. */
let ahead = 0;

/** The service's time in Unix seconds. */
export function now() {
  return Math.floor((Date.now() + ahead) / 1000);
}

/** Return an id for a request, by which its revision or repair can be found if its response is lost. */
export function requestId() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Ask for a new token. @param {string} sentence the service's, about the old token */
export async function newToken(sentence = "") {
  asking ??= session.ask(sentence).finally(() => (asking = null));
  await asking;
}

/**
 * Send a request. If its token is refused, wait for a new one and send it again.
 * @typedef {{method?: string, query?: any, body?: any, headers?: Record<string, string>, signal?: AbortSignal}} Options
 * @param {string} path below the API's root
 * @param {Options} [options] empty query parameters are left out; `signal` cancels the request
 * @returns {Promise<{body: any, etag: string, total: number, unreadable: string}>} `total` is infinite if not counted
 * @throws {Refused} and Lost, and AbortError if the request is cancelled
 */
export async function ask(path, options = {}) {
  for (;;) {
    if (!session.token) await newToken();
    const used = session.token;
    const { response, body } = await send(path, options, used);
    options.signal?.throwIfAborted();
    const header = (name) => response.headers.get(name) ?? "";
    const [etag, total, unreadable] = ["ETag", "X-Total-Count", "X-Unreadable"].map(header);
    if (response.ok) return { body, etag, total: Number(total || Infinity), unreadable };
    if (response.status !== 401) throw new Refused(response.status, body, header("X-Request-ID"));
    if (used === session.token) await newToken(body?.error);
  }
}

/** Return the service's sentence about why it refuses a token, or "" if it accepts it. @param {string} candidate */
export async function fault(candidate) {
  const { response, body } = await send("builds", { query: { per_page: 1 } }, candidate);
  return response.ok ? "" : new Refused(response.status, body, "").message;
}

/** @param {string} path @param {Options} options @param {string} bearer */
async function send(path, { method = "GET", query = {}, body, headers = {}, signal }, bearer) {
  const timeout = AbortSignal.timeout(TIMEOUT);
  const sent = new Headers({ ...headers, Authorization: `Bearer ${bearer}` });
  if (body) sent.set("Content-Type", "application/json");
  try {
    const response = await fetch(ROOT + path + search(query), {
      method,
      headers: sent,
      body: body && write(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      cache: "no-store",
    });
    ahead = Date.parse(response.headers.get("Date") ?? "") - Date.now() || ahead;
    return { response, body: read(await response.text()) };
  } catch (error) {
    signal?.throwIfAborted();
    console.warn(error);
    throw new Lost(method !== "GET" && method !== "HEAD" && !query.dry_run);
  }
}

/** Return a query string with its "?", without empty parameters; or "". @param {Record<string, any>} query */
export function search(query) {
  const given = Object.entries(query).filter(([, value]) => value || value === 0);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
