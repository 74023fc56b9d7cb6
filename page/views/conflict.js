/** A conflict of an edit with a change by another client: a choice between both values of each field. */

import { button, fill, h, text } from "../dom.js";
import { same } from "../json.js";
import { go, keepDraft } from "../parts/address.js";
import { changesOf } from "../parts/difference.js";
import { shown } from "../parts/fields.js";
import { toText } from "../parts/form.js";
import { table } from "../parts/table.js";
import { time } from "../parts/times.js";

/**
 * Return a form for the choice. The chosen values become a new draft, based on the other client's version.
 * @param {import("./edit.js").Draft} draft @param {any} mine the build that was to be saved
 * @param {{body: any, etag: string}} theirs @param {any} revision the newest, if there is one
 */
export function conflict({ base, typed }, mine, theirs, revision) {
  const names = Object.keys(changesOf(theirs.body, mine));
  // If only one side has changed a field, its value is preselected.
  const side = (name, value, build, other) => {
    const radio = h("input", { type: "radio", name, value, checked: same(other[name], base[name]) });
    return h("label", {}, radio, " ", shown(name, build[name]));
  };
  const both = (name) => [side(name, "theirs", theirs.body, mine), side(name, "mine", mine, theirs.body)];
  const rows = names.map((name) => [name, shown(name, base[name]), ...both(name)]);
  const all = (value) => () => form.querySelectorAll(`[value=${value}]`).forEach((radio) => (radio.checked = true));
  const said = h("p", { class: "fault", role: "alert" });
  const who = revision ? [text(revision.by), " changed it ", time(revision.at)] : "Another client changed it";
  const done = h("button", { class: "primary", id: "choose" }, "Continue");
  const form = h("form", { onsubmit: choose },
    h("h2", { tabindex: -1 }, "The build has changed since you opened it"),
    h("p", {}, who, ". Your changes were not saved. Choose a value for each field."),
    rows.length ? table("Fields that differ", ["field", "before", "theirs", "mine"], rows) : "Both are the same.",
    h("p", { class: "actions" }, button("All theirs", all("theirs")), button("All mine", all("mine")), done),
    said);
  return form;

  function choose(event) {
    event.preventDefault();
    const chosen = new FormData(form);
    const open = names.filter((name) => !chosen.has(name));
    if (open.length) return fill(said, `Choose a value for ${open.join(", ")}.`);
    const kept = names.filter((name) => chosen.get(name) === "mine");
    const again = kept.map((name) => [name, typed[name] ?? toText(name, base[name])]);
    keepDraft({ base: theirs.body, etag: theirs.etag, typed: Object.fromEntries(again) });
    go(location.hash, "The form has their version with the values that you chose. Review and save it.");
  }
}
