/** View of the list of builds, with its filters. */

import { ask } from "../api.js";
import { counted, h, link, text } from "../dom.js";
import { href } from "../parts/address.js";
import { status } from "../parts/fields.js";
import { filtered, toList } from "../parts/filters.js";
import { formOf } from "../parts/form.js";
import { buildLink, learn } from "../parts/names.js";
import { pager, table } from "../parts/table.js";
import { time } from "../parts/times.js";

/** @type {import("../main.js").View} */
export async function builds({ query }, signal) {
  return filtered("builds", formOf("builds-form", query), async () => {
    const { body, total } = await ask("builds", { query: toList(query), signal });
    await learn(body, signal);
    const say = total ? `${counted(total, "build")}. Newest first.` : "No build matches these filters.";
    const create = link("new", href("builds/new"), "Create a build");
    return { say, found: [total > 0 && list(body), pager("builds", query, total), h("p", {}, create)] };
  });
}

function list(found) {
  const rows = found.map((build) => [
    buildLink(build.id),
    status(build.status),
    time(build.created),
    text(build.branch || "–"),
    text(build.host || "–"),
    text(build.title || "–"),
    String(build.id),
  ]);
  return table("Builds", ["build", "status", "created", "branch", "host", "title", "id"], rows);
}
