/** Filters: in a form, in the address, as query parameters of the API's lists, and as a repair's `where`. */

import { Refused } from "../api.js";
import { h } from "../dom.js";
import { go, href } from "./address.js";
import { integer, showFaults, valuesOf } from "./form.js";

/** @typedef {Record<string, string>} Filters as in the address; a repository is its full name or its id */

/** A repository with a number (`octocat/hello-world 12`, `…/12`, `…#12`), or a build's address on a Vela server. */
const SPOKEN = /^\s*(?:https?:\/\/[^/]+\/)?([^/\s#]+\/[^/\s#]+)[\s/#]+(\d+)\/?\s*$/;

/**
 * Return a view of a form and of what `find` returns. A refusal by the API is shown above the form.
 * @param {string} path of the view @param {any} form if its field `id` is filled in, it opens that build
 * @param {() => Promise<{say: string, found: import("../dom.js").Child}>} find
 */
export async function filtered(path, form, find) {
  const title = path[0].toUpperCase() + path.slice(1);
  form.onsubmit = (event) => {
    event.preventDefault();
    const { id = "", ...filters } = filtersOf(form);
    go(id.trim() ? href(`builds/${id.trim()}`) : href(path, filters));
  };
  try {
    const { say, found } = await find();
    return { title, say, content: [form, h("p", {}, say), found] };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { title, say: error.message, content: [showFaults(form, error), form] };
  }
}

/** Return the filters in a form. @returns {Filters} */
export function filtersOf(form) {
  const filters = valuesOf(form);
  const [, repo, number] = SPOKEN.exec(filters.repo ?? "") ?? [];
  if (repo && !filters.number) Object.assign(filters, { repo, number });
  if (filters.ids) filters.ids = filters.ids.split(/[\s,]+/).filter(Boolean).join(",");
  return filters;
}

/** Return filters as query parameters of the API's lists. @param {Filters} filters */
export function toList({ repo = "", ...others }) {
  return { ...others, [/^\d+$/.test(repo) ? "repo_id" : "repo"]: repo, per_page: 100 };
}

/** Return filters as a repair's `where`, with their types. @param {Filters} filters @returns {Record<string, any>} */
export function toWhere(filters) {
  const { per_page, ...given } = toList(filters);
  const typed = (name, value) => {
    if (name === "status") return value.split(",");
    if (name === "ids") return value.split(",").map(integer);
    return ["repo", "branch", "host"].includes(name) ? value : integer(value);
  };
  const there = Object.entries(given).filter(([, value]) => value);
  return Object.fromEntries(there.map(([name, value]) => [name, typed(name, value)]));
}
