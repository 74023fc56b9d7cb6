/** The fields of a build, by the API's names: in which group each is, of what kind it is, and how its values look. */

import { h, text } from "../dom.js";
import { same } from "../json.js";
import { distance, exact } from "./times.js";

/** Every status, with its mark: none is told by a colour. */
export const STATUSES = {
  ...{ created: "○", pending: "○", "pending approval": "○", running: "◐", success: "✓" },
  ...{ failure: "✕", error: "✕", killed: "–", canceled: "–", skipped: "–" },
};

/** @type {[string, string][]} */
const GROUPED = [
  ["What", "status error title message event event_action link deploy deploy_number deploy_payload"],
  ["When", "created enqueued started finished approved_at"],
  ["Where it runs", "host runtime distribution route"],
  ["From what", "commit branch ref base_ref head_ref source clone fork"],
  ["From whom", "sender sender_scm_id author email approved_by"],
  ["Numbers", "id repo_id number parent pipeline_id"],
];

/** @type {[string, string[]][]} the names of the fields, in groups */
export const GROUPS = GROUPED.map(([title, names]) => [title, names.split(" ")]);
export const FIELDS = GROUPS.flatMap(([, names]) => names);

/** The fields that a build may have or not; it always has the others. */
export const NEWER = new Set(
  ("pipeline_id deploy_number approved_at event_action sender_scm_id route approved_by email head_ref link fork " +
    "deploy_payload").split(" "),
);

const TIMES = new Set(GROUPS[1][1]);
const INTEGERS = new Set([...GROUPS[5][1], "deploy_number"]);

/** What kind of value a field has. @param {string} name @returns {"status"|"time"|"integer"|"flag"|"map"|"text"} */
export function kind(name) {
  if (TIMES.has(name)) return "time";
  if (INTEGERS.has(name)) return "integer";
  return name === "status" ? "status" : name === "fork" ? "flag" : name === "deploy_payload" ? "map" : "text";
}

/** Whether a value is the zero of its type, which says nothing. */
export function isEmpty(value) {
  return !value || same(value, {});
}

/** Return a status as a word with its mark. @param {string} value */
export function status(value) {
  const mark = h("span", { "aria-hidden": "true" }, STATUSES[value] ?? "?", " ");
  return h("span", { class: "status" }, mark, text(value || "none"));
}

/** Return the value of a field, to be looked at. @param {string} name @returns {import("../dom.js").Child} */
export function shown(name, value, ago = true) {
  const quiet = (words) => h("span", { class: "quiet" }, words);
  if (isEmpty(value)) return quiet(typeof value === "number" ? "0" : "empty");
  if (name === "status") return status(value);
  if (kind(name) === "time") return [String(value), " ", quiet(exact(value) + (ago ? `, ${distance(value)}` : ""))];
  if (typeof value === "object") return text(JSON.stringify(value, null, 1));
  // A link opens a page and does nothing else: `javascript:` and its like stay text.
  const opens = ["link", "source", "clone"].includes(name) && /^https?:\/\/\S+$/.test(value) && URL.canParse(value);
  return opens ? h("a", { href: value, rel: "noopener noreferrer" }, text(value)) : text(value);
}
