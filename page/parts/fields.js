/** The fields of a build by their names in the API: their groups, their kinds and how their values are shown. */

import { h, text } from "../dom.js";
import { same } from "../json.js";
import { distance, exact } from "./times.js";

/** Every status with its mark. Colours do not distinguish statuses. */
export const STATUSES = {
  ...{ created: "○", pending: "○", "pending approval": "○", running: "◐", success: "✓" },
  ...{ failure: "✕", error: "✕", killed: "–", canceled: "–", skipped: "–" },
};

/** @type {[string, string][]} */
const GROUPED = [
  ["Build", "status error title message event event_action link deploy deploy_number deploy_payload"],
  ["Times", "created enqueued started finished approved_at"],
  ["Worker", "host runtime distribution route"],
  ["Source", "commit branch ref base_ref head_ref source clone fork"],
  ["People", "sender sender_scm_id author email approved_by"],
  ["Numbers", "id repo_id number parent pipeline_id"],
];

/** @type {[string, string[]][]} the titles of the groups, and the names of their fields */
export const GROUPS = GROUPED.map(([title, names]) => [title, names.split(" ")]);
export const FIELDS = GROUPS.flatMap(([, names]) => names);

/** The fields that a build may lack. */
export const NEWER = new Set(
  ("pipeline_id deploy_number approved_at event_action sender_scm_id route approved_by email head_ref link fork " +
    "deploy_payload").split(" "),
);

const TIMES = new Set(GROUPS[1][1]);
const INTEGERS = new Set([...GROUPS[5][1], "deploy_number"]);

/** Return the kind of a field. @param {string} name @returns {"status"|"time"|"integer"|"flag"|"map"|"text"} */
export function kind(name) {
  if (TIMES.has(name)) return "time";
  if (INTEGERS.has(name)) return "integer";
  return name === "status" ? "status" : name === "fork" ? "flag" : name === "deploy_payload" ? "map" : "text";
}

/** Whether a value is the zero value of its type. */
export function isEmpty(value) {
  return !value || same(value, {});
}

/** Return a status with its mark. @param {string} value */
export function status(value) {
  const mark = h("span", { "aria-hidden": "true" }, STATUSES[value] ?? "?", " ");
  return h("span", { class: "status" }, mark, text(value || "none"));
}

/** Return the value of a field as it is shown. @param {string} name @returns {import("../dom.js").Child} */
export function shown(name, value, ago = true) {
  const quiet = (words) => h("span", { class: "quiet" }, words);
  if (isEmpty(value)) return quiet(typeof value === "number" ? "0" : "empty");
  if (name === "status") return status(value);
  if (kind(name) === "time") return [String(value), " ", quiet(exact(value) + (ago ? `, ${distance(value)}` : ""))];
  if (typeof value === "object") return text(JSON.stringify(value, null, 1));
  // Only http and https addresses become links; `javascript:` and other schemes stay text.
  const opens = ["link", "source", "clone"].includes(name) && /^https?:\/\/\S+$/.test(value) && URL.canParse(value);
  return opens ? h("a", { href: value, rel: "noopener noreferrer" }, text(value)) : text(value);
}

/** Return a notice about unreadable fields. @param {string} names from the header X-Unreadable */
export function broken(names) {
  return names && h("p", { class: "notice" }, "Not shown exactly, kept unless changed: ", text(names), ".");
}
