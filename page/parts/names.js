/** Names: people know a build as `octocat/hello-world` 12, the API by its id. What is learned is kept for a while. */

import { Refused, ask } from "../api.js";
import { link, text } from "../dom.js";
import { href } from "./address.js";

/** The full names of repositories by id, "" where the database has none; and what is known of builds by id. */
const repositories = new Map();
const builds = new Map();

/** Learn what builds are called. @param {any[]} found builds @param {AbortSignal} signal */
export async function learn(found, signal) {
  for (const { id, repo_id, number } of found) builds.set(String(id), { repo_id, number });
  const unknown = (id) => /^[1-9]\d*$/.test(id) && !repositories.has(id);
  const ids = new Set(found.map(({ repo_id }) => String(repo_id)).filter(unknown));
  if (!ids.size) return;
  const { body } = await ask("repos", { query: { id: [...ids].join(",") }, signal }).catch(nothing);
  for (const id of ids) repositories.set(id, "");
  for (const { id, full_name } of body ?? []) repositories.set(String(id), full_name);
}

/** Learn the names of builds of which only the ids are known. @param {{id: any}[]} some @param {AbortSignal} signal */
export async function learnIds(some, signal) {
  const unknown = some.filter(({ id }) => !builds.has(String(id)));
  const found = await Promise.all(unknown.map(({ id }) => ask(`builds/${id}`, { signal }).catch(nothing)));
  await learn(found.map(({ body }) => body).filter(Boolean), signal);
}

/** A name is a kindness: a build without one still has its numbers, so nothing fails because the service refuses it. */
function nothing(error) {
  if (error instanceof Refused) return { body: null };
  throw error;
}

/** Return what a build is called. @param {{repo_id: any, number: any}} build */
export function nameOf({ repo_id, number }) {
  const repository = repositories.get(String(repo_id));
  return repository ? `${repository} ${number}` : `repository ${repo_id} · ${number}`;
}

/** Return a link to a build, by its name where that is known. */
export function buildLink(id) {
  const build = builds.get(String(id));
  return link(`build-${id}`, href(`builds/${id}`), build ? text(nameOf(build)) : `build ${id}`);
}
