/** Conflict: somebody else was faster. Theirs, mine and what was there before, and a choice for each field. */

import { button, fill, h, text } from "../dom.js";
import { same } from "../json.js";
import { go, keepDraft } from "../parts/address.js";
import { changesOf } from "../parts/difference.js";
import { shown } from "../parts/fields.js";
import { toText } from "../parts/form.js";
import { table } from "../parts/table.js";
import { time } from "../parts/times.js";

/**
 * Return the choice; what is chosen is a draft again, on top of theirs.
 * @param {import("./edit.js").Draft} draft @param {any} mine the build that was to be saved
 * @param {{body: any, etag: string}} theirs @param {any} revision the newest, if it is known who was faster
 */
export function conflict({ base, typed }, mine, theirs, revision) {
  const names = Object.keys(changesOf(theirs.body, mine));
  // Where only one of the two has changed a field, that one is chosen already.
  const side = (name, value, build, other) => {
    const radio = h("input", { type: "radio", name, value, checked: same(other[name], base[name]) });
    return h("label", {}, radio, " ", shown(name, build[name]));
  };
  const both = (name) => [side(name, "theirs", theirs.body, mine), side(name, "mine", mine, theirs.body)];
  const rows = names.map((name) => [name, shown(name, base[name]), ...both(name)]);
  const all = (value) => () => form.querySelectorAll(`[value=${value}]`).forEach((radio) => (radio.checked = true));
  const said = h("p", { class: "fault", role: "alert" });
  const who = revision ? [text(revision.by), " changed this build ", time(revision.at)] : "The build was changed";
  const done = h("button", { class: "primary", id: "choose" }, "Go on with these");
  const form = h("form", { onsubmit: choose },
    h("h2", { tabindex: -1 }, "Somebody else was faster"),
    h("p", {}, who, ", after you had read it. Nothing of yours was saved, and nothing is lost: choose for each field."),
    rows.length ? table("Fields that differ", ["field", "before", "theirs", "mine"], rows) : "Both are the same.",
    h("p", { class: "actions" }, button("All theirs", all("theirs")), button("All mine", all("mine")), done),
    said);
  return form;

  function choose(event) {
    event.preventDefault();
    const chosen = new FormData(form);
    const open = names.filter((name) => !chosen.has(name));
    if (open.length) return fill(said, `Choose for ${open.join(", ")} too.`);
    const kept = names.filter((name) => chosen.get(name) === "mine");
    const again = kept.map((name) => [name, typed[name] ?? toText(name, base[name])]);
    keepDraft({ base: theirs.body, etag: theirs.etag, typed: Object.fromEntries(again) });
    go(location.hash, "This is theirs, with yours where you chose it. Review it, and save it.");
  }
}
