/** Names of builds, such as `octocat/hello-world 12`. Names from the API are kept until the page is reloaded. */

import { Refused, ask } from "../api.js";
import { link, text } from "../dom.js";
import { href } from "./address.js";

/** The full names of repositories by id, "" if the database has none; and the repository and number of builds by id. */
const repositories = new Map();
const builds = new Map();

/** Request the names of builds. @param {any[]} found builds @param {AbortSignal} signal */
export async function learn(found, signal) {
  for (const { id, repo_id, number } of found) builds.set(String(id), { repo_id, number });
  const unknown = (id) => /^[1-9]\d*$/.test(id) && !repositories.has(id);
  const ids = new Set(found.map(({ repo_id }) => String(repo_id)).filter(unknown));
  if (!ids.size) return;
  const { body } = await ask("repos", { query: { id: [...ids].join(",") }, signal }).catch(nothing);
  for (const id of ids) repositories.set(id, "");
  for (const { id, full_name } of body ?? []) repositories.set(String(id), full_name);
}

/** Request the names of builds by their ids. @param {{id: any}[]} some @param {AbortSignal} signal */
export async function learnIds(some, signal) {
  const unknown = some.filter(({ id }) => !builds.has(String(id)));
  const found = await Promise.all(unknown.map(({ id }) => ask(`builds/${id}`, { signal }).catch(nothing)));
  await learn(found.map(({ body }) => body).filter(Boolean), signal);
}

/** Ignore a refusal. Names are optional, so a view must not fail without them. */
function nothing(error) {
  if (error instanceof Refused) return { body: null };
  throw error;
}

/** Return the name of a build. @param {{repo_id: any, number: any}} build */
export function nameOf({ repo_id, number }) {
  const repository = repositories.get(String(repo_id));
  return repository ? `${repository} ${number}` : `repository ${repo_id} · ${number}`;
}

/** Return a link to a build, with its name if that is known. */
export function buildLink(id) {
  const build = builds.get(String(id));
  return link(`build-${id}`, href(`builds/${id}`), build ? text(nameOf(build)) : `build ${id}`);
}
