/** Views to edit and to create a build: a form, a preview of the difference, and conflicts. */

import { ask, now, requestId } from "../api.js";
import { button, counted, fill, h } from "../dom.js";
import { draft, go, href, keepDraft } from "../parts/address.js";
import { changesOf, difference } from "../parts/difference.js";
import { FIELDS, GROUPS, NEWER, broken, isEmpty, kind, shown } from "../parts/fields.js";
import { control, fromText, showFaults, toText } from "../parts/form.js";
import { learn, nameOf } from "../parts/names.js";
import { exact } from "../parts/times.js";
import { tabs } from "./build.js";
import { conflict } from "./conflict.js";

/** The initial value of each kind of field in a new build. */
const ZEROS = { status: "pending", time: 0, integer: 0, text: "" };

/**
 * The build as it was read, its tag ("" for a new build), and the texts of the changed fields.
 * @typedef {{base: any, etag: string, typed: Record<string, string>}} Draft
 */

/** @type {import("../main.js").View} */
export async function edit({ path: [, id] }, signal) {
  const { body, etag, unreadable } = await ask(`builds/${id}`, { signal });
  await learn([body], signal);
  const state = draft() ?? { base: body, etag, typed: {} };
  return { title: `Edit ${nameOf(body)}`, content: [tabs(id, "edit"), broken(unreadable), editor(state)] };
}

/** @type {import("../main.js").View} */
export async function create() {
  const base = Object.fromEntries(FIELDS.filter((name) => !NEWER.has(name)).map((name) => [name, ZEROS[kind(name)]]));
  const state = draft() ?? { base, etag: "", typed: { created: String(now()) } };
  return { title: "Create a build", content: editor(state) };
}

/** @param {Draft} state */
function editor(state) {
  const { base, etag } = state;
  const changes = () => changesOf(base, whole(state));
  const below = h("div", {});
  const submit = h("button", { class: "primary", id: "review" });
  const groups = GROUPS.map(([title, names]) => {
    const fields = names.filter((name) => name !== "id" || !etag).map(field);
    return h("fieldset", {}, h("legend", {}, title), fields);
  });
  const form = h("form", { class: "edit", onsubmit: review, autocomplete: "off" }, groups, submit);
  const request = requestId();
  label();
  return [form, below];

  function field(name) {
    const aside = h("span", { class: "aside" });
    const clock = kind(name) === "time" && button("Now", setNow, { "aria-label": `${name}: now` });
    const made = control(name, state.typed[name] ?? toText(name, base[name]), undefined, clock, aside);
    const input = made.querySelector("input, textarea, select");
    input.addEventListener("input", typed);
    beside();
    return made;

    function setNow() {
      input.value = String(now());
      typed();
    }
    function typed() {
      state.typed[name] = input.value;
      keepDraft(state);
      below.replaceChildren();
      label();
      beside();
    }
    function beside() {
      const time = kind(name) === "time" && Number(input.value) > 0 && exact(input.value);
      fill(aside, time, etag && name in changes() && [" was ", shown(name, base[name])]);
    }
  }

  function label() {
    fill(submit, etag ? `Review ${counted(Object.keys(changes()).length, "change")}` : "Review the new build");
  }
  function review(event) {
    event.preventDefault();
    fill(below);
    put(true, (stored) => {
      const made = changesOf(etag ? base : {}, stored);
      const many = Object.keys(made).length;
      const words = etag ? `Save ${counted(many, "change")}` : `Create build ${stored.id}`;
      const save = button(words, () => put(false, saved), { id: "save", class: "primary" });
      const heading = h("h2", { tabindex: -1 }, many ? "What changes" : "Nothing changes");
      fill(below, heading, many > 0 && [difference(made), save]);
    });
  }

  async function put(dry, then) {
    const body = whole(state);
    const headers = { [etag ? "If-Match" : "If-None-Match"]: etag || "*", "X-Request-ID": dry ? requestId() : request };
    try {
      const answer = await ask("build", { method: "PUT", query: { dry_run: dry }, body, headers });
      showFaults(form, null);
      then(answer.body);
    } catch (error) {
      await late(error, body).catch((other) => {
        below.querySelector(".problem")?.remove();
        below.prepend(showFaults(form, other));
      });
    }
    below.querySelector("[tabindex]")?.focus();
  }

  async function late(error, body) {
    if (error.status !== 412) throw error;
    const [newest] = (await ask(`builds/${body.id}/revisions`, { query: { per_page: 1 } })).body;
    const theirs = await ask(`builds/${body.id}`);
    // An earlier attempt, whose response was lost, has stored this build.
    if (newest?.request_id === request && isEmpty(changesOf(theirs.body, body))) return saved(body);
    if (!etag) throw error;
    fill(below, conflict(state, body, theirs, newest));
  }

  function saved({ id }) {
    keepDraft(undefined);
    go(href(`builds/${id}`), etag ? "Saved. The previous version is in the history." : "Created.");
  }
}

/** Return the complete build of a draft. A newer field that was cleared is null. @param {Draft} draft */
function whole({ base, typed }) {
  const build = { ...base };
  for (const [name, words] of Object.entries(typed)) {
    const value = fromText(name, words, base[name]);
    const cleared = NEWER.has(name) && isEmpty(value);
    if (!cleared) build[name] = value;
    else if (name in base) build[name] = null;
  }
  return build;
}
