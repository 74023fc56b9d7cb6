/** View of a build: its fields in groups, and its empty fields in a closed list. */

import { ask } from "../api.js";
import { counted, h, link, pairs, text } from "../dom.js";
import { href } from "../parts/address.js";
import { FIELDS, GROUPS, broken, isEmpty, shown, status } from "../parts/fields.js";
import { learn, nameOf } from "../parts/names.js";
import { time } from "../parts/times.js";

/** @type {import("../main.js").View} */
export async function build({ path: [, id] }, signal) {
  const { body, unreadable } = await ask(`builds/${id}`, { signal });
  await learn([body], signal);
  const group = ([title, names]) => {
    const given = names.filter((name) => !isEmpty(body[name]));
    return given.length > 0 && [h("h2", {}, title), pairs(given.map((name) => [name, shown(name, body[name])]))];
  };
  const empty = FIELDS.filter((name) => isEmpty(body[name]));
  const folded = h("details", {}, h("summary", {}, counted(empty.length, "empty field")), h("p", {}, empty.join(", ")));
  const lead = h("p", {}, status(body.status), " ", h("span", { class: "quiet" }, since(body)), " ", text(body.error));
  return { title: nameOf(body), content: [tabs(id, "now"), lead, broken(unreadable), GROUPS.map(group), folded] };
}

function since({ status: value, created, started, finished }) {
  if (value === "running") return ["started ", time(started)];
  return finished ? ["finished ", time(finished)] : ["created ", time(created)];
}

/** Return links to the views of a build. @param {string} id @param {"now" | "edit" | "history"} current */
export function tabs(id, current) {
  const to = (name, path = `/${name}`) =>
    link(name, href(`builds/${id}${path}`), name, { "aria-current": name === current && "page" });
  return h("nav", { class: "tabs", "aria-label": "This build" }, to("now", ""), to("edit"), to("history"));
}
