/** Addresses: the fragment says which view, of what, and with which filters. It never reaches a server. */

import { search } from "../api.js";

/** @typedef {{path: string[], query: Record<string, string>}} Place `#/builds/7?…`: `["builds", "7"]` and filters */

/** @returns {Place} where the page is now */
export function here() {
  const [, path, query] = /^#?\/?([^?]*)\??(.*)$/s.exec(location.hash) ?? [];
  return { path: path.split("/"), query: Object.fromEntries(new URLSearchParams(query)) };
}

/** Return the address of a view. @param {string} path @param {Record<string, any>} [query] what is empty is left out */
export function href(path, query = {}) {
  return `#/${path}${search(query)}`;
}

let notice = "";

/** Go to a view, or show it anew. @param {string} address from `href` @param {string} [say] what is said there, once */
export function go(address, say = "") {
  notice = say;
  if (location.hash === address) window.dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = address;
}

/** Return what is to be said here, once. */
export function takeNotice() {
  const say = notice;
  notice = "";
  return say;
}

/** What was typed at this place in the history of the tab; it survives Back and a reload. */
export function draft() {
  return history.state?.draft;
}

/** @param {any} typed what `draft` returns here from now on @param {string} [address] of this place from now on */
export function keepDraft(typed, address = location.hash) {
  history.replaceState({ ...history.state, draft: typed }, "", address);
}
