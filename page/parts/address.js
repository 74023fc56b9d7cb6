/** Addresses of views. The view, its id and its filters are in the fragment, which is not sent to the server. */

import { search } from "../api.js";

/** @typedef {{path: string[], query: Record<string, string>}} Place of `#/builds/7?…`: `["builds", "7"]`, filters */

/** @returns {Place} of the current address */
export function here() {
  const [, path, query] = /^#?\/?([^?]*)\??(.*)$/s.exec(location.hash) ?? [];
  return { path: path.split("/"), query: Object.fromEntries(new URLSearchParams(query)) };
}

/** Return the address of a view. @param {string} path @param {Record<string, any>} [query] without empty values */
export function href(path, query = {}) {
  return `#/${path}${search(query)}`;
}

let notice = "";

/** Go to a view, or show it again. @param {string} address from `href` @param {string} [say] a notice to show there */
export function go(address, say = "") {
  notice = say;
  if (location.hash === address) window.dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = address;
}

/** Return the notice of the last `go`, and forget it. */
export function takeNotice() {
  const say = notice;
  notice = "";
  return say;
}

/** Return what `keepDraft` has stored in this entry of the tab's history. It survives Back and a reload. */
export function draft() {
  return history.state?.draft;
}

/** Store a draft in this entry of the tab's history. @param {any} typed @param {string} [address] its new address */
export function keepDraft(typed, address = location.hash) {
  history.replaceState({ ...history.state, draft: typed }, "", address);
}
