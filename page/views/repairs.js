/** Views of the list of repairs, of one repair with its builds, and of its undo. */

import { ask } from "../api.js";
import { counted, h, link, pairs, text } from "../dom.js";
import { draft, go, href, keepDraft } from "../parts/address.js";
import { difference } from "../parts/difference.js";
import { shown } from "../parts/fields.js";
import { formOf, valuesOf } from "../parts/form.js";
import { buildLink, learnIds } from "../parts/names.js";
import { plan, sides } from "../parts/plan.js";
import { paged, pager, table } from "../parts/table.js";
import { who } from "./history.js";

const to = (number) => link(`repair-${number}`, href(`repairs/${number}`), `repair ${number}`);

/** @type {import("../main.js").View} */
export async function repairs({ query }, signal) {
  const { body, total } = await ask("repairs", { query: paged(query), signal });
  const rows = body.map((made) => [to(made.repair), text(made.reason), made.changed, who(made), standing(made)]);
  const say = total ? `${counted(total, "repair")}. Newest first.` : "There are no repairs yet.";
  const list = total > 0 && table("Repairs", ["repair", "reason", "builds", "by", "undone"], rows);
  return { title: "Repairs", say, content: [h("p", {}, say), list, pager("repairs", query, total)] };
}

/** Return the repair that a repair undoes, and the one that has undone it. */
function standing({ undoes, undone_by }) {
  return [undoes && ["undoes ", to(undoes), ". "], undone_by ? ["undone by ", to(undone_by)] : "not undone"];
}

/** @type {import("../main.js").View} */
export async function oneRepair({ path: [, number], query }, signal) {
  const { body: made } = await ask(`repairs/${number}`, { signal });
  const { body: found, total } = await ask(`repairs/${number}/builds`, { query: paged(query), signal });
  await learnIds(found, signal);
  const rows = found.map((build) => [buildLink(build.id), difference(build.changes), state(build)]);
  const undo = link("undo", href(`repairs/${number}/undo`), `Undo repair ${number}…`, { class: "button" });
  /** @type {[string, import("../dom.js").Child][]} */
  const facts = [["reason", text(made.reason)], ["by", who(made)], ["state", standing(made)]];
  const asField = (name) => (["stuck_before", "after", "before"].includes(name) ? "created" : name);
  const which = (name, value) => shown(asField(name), [value].flat().join(", "));
  for (const [name, value] of Object.entries(made.where ?? {})) facts.push([`where ${name}`, which(name, value)]);
  for (const [name, value] of Object.entries(made.set ?? {})) facts.push([`set ${name}`, shown(name, value)]);
  return { title: `Repair ${number}`, content: [
    h("p", {}, undo),
    pairs(facts),
    h("h2", {}, `${counted(made.changed, "build")} changed`),
    table("Builds that it changed", ["build", "changes", "since then"], rows),
    pager(`repairs/${number}`, query, total),
  ] };
}

function state({ id, state: words, by, revision_since: revision }) {
  const then = () => link(`since-${id}`, href(`builds/${id}/history/${revision}`), `revision ${revision}`);
  return [words, by && [" by ", text(by)], revision && [", ", then()]];
}

/** @type {import("../main.js").View} */
export async function undo({ path: [, number] }, signal) {
  const { body: made } = await ask(`repairs/${number}`, { signal });
  const form = formOf("undo-form", draft());
  const body = () => valuesOf(form);
  const planned = plan({ path: `repairs/${number}/undo`, verb: "Put back", form, body, done, signal });
  form.oninput = () => keepDraft(body());
  const what = h("p", {}, to(number), ": ", text(made.reason));
  return { title: `Undo repair ${number}`, content: [what, sides(form, "What is put back", planned)] };

  function done({ repair, changed }) {
    keepDraft(undefined);
    go(href(`repairs/${repair}`), `Repair ${repair}: ${counted(changed, "build")} put back.`);
  }
}
