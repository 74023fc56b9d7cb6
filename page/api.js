/** The one place that calls fetch: the token, tags, errors, and how long an answer may take. */

import { read, write } from "./json.js";

const ROOT = "api/v1/admin/";

/** Milliseconds after which an answer is given up; a repair of 10,000 builds takes some seconds. */
const PATIENCE = 60_000;

/** A request that was refused; the message is the service's own sentence. */
export class Refused extends Error {
  /** @param {number} status @param {{error?: string, fields?: object} | undefined} body @param {string} requestId */
  constructor(status, body, requestId) {
    super(body?.error ?? `Something between this page and the service answered ${status}; try again.`);
    this.status = status;
    /** @type {Record<string, string[]>} every fault, by field */
    this.fields = { ...body?.fields };
    this.requestId = requestId;
  }
}

/** A request without an answer: nobody knows whether it has reached the service. */
export class Lost extends Error {
  /** @param {boolean} writes whether it may have changed something */
  constructor(writes) {
    super(
      (writes
        ? "The connection was lost before the answer came, so this may have been done or not; it is never done twice. "
        : "The service does not answer. ") + "Nothing that you typed is lost: try again.",
    );
  }
}

/** The token that requests carry, and what asks the person for a new one, with the service's sentence about the old. */
export const session = { token: "", ask: async (/** @type {string} */ sentence) => console.warn(sentence) };

/** @type {Promise<void> | null} */
let asking = null;

/** How many milliseconds the service's clock is ahead of this one. */
let ahead = 0;

/** The service's time in Unix seconds. */
export function now() {
  return Math.floor((Date.now() + ahead) / 1000);
}

/** An id for a request, by which what it did is found though its answer was lost. */
export function requestId() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Ask for a new token. @param {string} sentence the service's about the old one */
export async function newToken(sentence = "") {
  asking ??= session.ask(sentence).finally(() => (asking = null));
  await asking;
}

/**
 * Send a request; where its token is refused, wait for a new one and send it again.
 * @typedef {{method?: string, query?: any, body?: any, headers?: Record<string, string>, signal?: AbortSignal}} Options
 * @param {string} path below the API's root
 * @param {Options} [options] parameters that are empty are left out; the signal gives the answer up
 * @returns {Promise<{body: any, etag: string, total: number, unreadable: string}>}
 * @throws {Refused} and Lost, and AbortError where the answer was given up
 */
export async function ask(path, options = {}) {
  for (;;) {
    if (!session.token) await newToken();
    const used = session.token;
    const { response, body } = await send(path, options, used);
    options.signal?.throwIfAborted();
    const header = (name) => response.headers.get(name) ?? "";
    if (response.ok) {
      return { body, etag: header("ETag"), total: Number(header("X-Total-Count")), unreadable: header("X-Unreadable") };
    }
    if (response.status !== 401) throw new Refused(response.status, body, header("X-Request-ID"));
    if (used === session.token) await newToken(body?.error);
  }
}

/** Return the service's sentence about why it refuses a token, or "" if it takes it. @param {string} candidate */
export async function fault(candidate) {
  const { response, body } = await send("builds", { query: { per_page: 1 } }, candidate);
  return response.ok ? "" : new Refused(response.status, body, "").message;
}

/** @param {string} path @param {Options} options @param {string} bearer */
async function send(path, { method = "GET", query = {}, body, headers = {}, signal }, bearer) {
  const patience = AbortSignal.timeout(PATIENCE);
  const sent = new Headers({ ...headers, Authorization: `Bearer ${bearer}` });
  if (body) sent.set("Content-Type", "application/json");
  try {
    const response = await fetch(ROOT + path + search(query), {
      method,
      headers: sent,
      body: body && write(body),
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
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

/** Return a query with its question mark, "" for none; what is empty is left out. @param {Record<string, any>} query */
export function search(query) {
  const given = Object.entries(query).filter(([, value]) => value || value === 0);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
