/** View to repair builds: a form on the left, its preview on the right. */

import { now } from "../api.js";
import { counted } from "../dom.js";
import { draft, go, href, keepDraft } from "../parts/address.js";
import { FIELDS } from "../parts/fields.js";
import { filtersOf, toWhere } from "../parts/filters.js";
import { control, formOf, fromText, setValues, valuesOf } from "../parts/form.js";
import { plan, sides } from "../parts/plan.js";
import { selection } from "./stuck.js";

/** Fields that a repair cannot set, or that the form's template already has. */
const HAS = ["id", "repo_id", "number", "status", "error", "finished"];

/** @type {import("../main.js").View} */
export async function repair({ query }, signal) {
  const kept = draft() ?? { set: {}, reason: "" };
  const form = formOf("repair-form", { reason: kept.reason });
  const [which, becomes, more] = ["#which", "#becomes", "#more"].map((id) => form.querySelector(id));
  more.append(...FIELDS.filter((name) => !HAS.includes(name)).map((name) => control(name, "", `f-set-${name}`)));
  setValues(which, query);
  setValues(becomes, kept.set);
  form.oninput = changed;
  const planned = plan({ path: "repairs", verb: "Change", form, body, done, signal, leaveOut });
  return { title: "Repair", content: sides(form, "What changes", planned) };

  function changed(event) {
    keepDraft({ set: valuesOf(becomes), reason: valuesOf(form).reason }, href("repair", filtersOf(which)));
    if (event?.target.name !== "reason") planned.rest();
  }

  function body() {
    const set = Object.entries(valuesOf(becomes)).filter(([, typed]) => typed);
    const value = (name, typed) => (typed === "now" && name === "finished" ? now() : fromText(name, typed));
    const given = set.map(([name, typed]) => [name, typed === '""' ? "" : value(name, typed)]);
    return { where: toWhere(filtersOf(which)), set: Object.fromEntries(given), reason: valuesOf(form).reason };
  }

  function leaveOut(id, all) {
    setValues(which, { ids: all.filter((other) => other !== id).join(", ") });
    changed();
  }

  function done({ repair: number, changed: many }) {
    keepDraft(undefined);
    selection.of = "";
    go(href(`repairs/${number}`), `Repair ${number}: ${counted(many, "build")} changed.`);
  }
}
