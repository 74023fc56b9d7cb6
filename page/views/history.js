/** Views of the revisions of a build and of one revision, with its undo. */

import { ask } from "../api.js";
import { button, counted, fill, h, link, text } from "../dom.js";
import { go, href } from "../parts/address.js";
import { changesOf, difference } from "../parts/difference.js";
import { problem } from "../parts/form.js";
import { learn, nameOf } from "../parts/names.js";
import { paged, pager, table } from "../parts/table.js";
import { time } from "../parts/times.js";
import { tabs } from "./build.js";

/** @type {import("../main.js").View} */
export async function revisions({ path: [, id], query }, signal) {
  const { body, total } = await ask(`builds/${id}/revisions`, { query: paged(query), signal });
  const title = await titleOf(id, signal);
  const path = `builds/${id}/history`;
  const to = ({ revision }) => link(`revision-${revision}`, href(`${path}/${revision}`), `revision ${revision}`);
  const what = ({ changes }) => (changes.id?.from === null ? "created the build" : difference(changes));
  const rows = body.map((made) => [to(made), who(made), what(made)]);
  const say = total ? `${counted(total, "revision")}. Newest first.` : "This build has no revisions.";
  const list = total > 0 && table("Revisions", ["revision", "by", "changes"], rows);
  return { title, say, content: [tabs(id, "history"), h("p", {}, say), list, pager(path, query, total)] };
}

/** Return the name of a build, which may be deleted while its revisions remain. */
async function titleOf(id, signal) {
  const { body } = await ask(`builds/${id}`, { signal }).catch(() => ({ body: null }));
  if (!body) return `build ${id} (deleted)`;
  await learn([body], signal);
  return nameOf(body);
}

/** Return the user, the time, the request and the repair of a revision; or those of a repair. */
export function who({ by, at, request_id, repair, revision }) {
  const part = revision && repair && [", ", link(`repair-${revision}`, href(`repairs/${repair}`), `repair ${repair}`)];
  return [text(by), " ", time(at), part, " ", h("small", {}, "request ", text(request_id))];
}

/** @type {import("../main.js").View} */
export async function putBack({ path: [, id, , number] }, signal) {
  const { body: revision } = await ask(`builds/${id}/revisions/${number}`, { signal });
  const area = h("div", {});
  if (revision.before) await preview();
  const heading = h("h2", {}, revision.before ? "What it changed" : "It created the build");
  const back = revision.before && [h("h2", {}, "Put back"), area];
  const content = [tabs(id, "history"), h("p", {}, who(revision)), heading, difference(revision.changes), back];
  return { title: `${await titleOf(id, signal)}, revision ${number}`, content };

  async function preview(...first) {
    try {
      const { body: current, etag } = await ask(`builds/${id}`, { signal });
      const changes = changesOf(current, (await undo(etag, true)).body);
      const words = `Put back ${counted(Object.keys(changes).length, "field")}`;
      const doIt = button(words, () => carryOut(etag), { id: "put-back", class: "primary" });
      const none = h("p", {}, "The build is as it was before this revision.");
      fill(area, first, Object.keys(changes).length ? [difference(changes), doIt] : none);
    } catch (error) {
      signal.throwIfAborted();
      fill(area, problem(error, preview));
    }
  }

  async function carryOut(etag) {
    try {
      await undo(etag, false);
      go(href(`builds/${id}/history`), `Put back the build before revision ${number}.`);
    } catch (error) {
      const late = "The build has changed since the preview, so nothing was put back. Review the new preview:";
      if (error.status === 412) await preview(h("p", { class: "problem", tabindex: -1 }, late));
      else area.prepend(problem(error));
      area.querySelector(".problem").focus();
    }
  }

  function undo(etag, dry) {
    const options = { method: "POST", query: { dry_run: dry }, headers: { "If-Match": etag }, signal };
    return ask(`builds/${id}/revisions/${number}/undo`, options);
  }
}
