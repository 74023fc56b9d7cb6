/** The preview of a repair or of its undo, and the button that applies exactly what was previewed. */

import { ask, requestId } from "../api.js";
import { announce, button, counted, fill, h, text } from "../dom.js";
import { difference } from "./difference.js";
import { broken } from "./fields.js";
import { showFaults } from "./form.js";
import { buildLink, learnIds } from "./names.js";
import { table } from "./table.js";

/** Milliseconds after the last change of the form until it is previewed, and the number of builds to show at once. */
const REST = 400;
const SOME = 100;

/**
 * Return the area of the preview, the button, and `rest`, to be called when the form changes. `body` returns what is
 * posted to `path`, `done` is called with the new repair, `leaveOut` with an id to leave out and the ids of all builds.
 * @param {{path: string, verb: string, form: HTMLFormElement, body: () => any, done: (repair: any) => void,
 *     signal: AbortSignal, leaveOut?: (id: any, all: any[]) => void}} work
 */
export function plan({ path, verb, form, body, done, signal, leaveOut }) {
  const area = h("div", { class: "preview" });
  const apply = button(verb, carryOut, { id: "apply", class: "primary" });
  const ready = (isReady) => apply.setAttribute("aria-disabled", String(!isReady));
  let newest = new AbortController();
  let timer;
  /** @type {any} the preview: what was sent, its tag, the response, and an id for the request that applies it */
  let planned = null;
  form.onsubmit = (event) => event.preventDefault();
  ready(false);
  preview();
  return { area, apply, rest };

  function rest() {
    planned = null;
    ready(false);
    newest.abort();
    clearTimeout(timer);
    timer = setTimeout(preview, REST);
  }

  async function preview(former) {
    newest = new AbortController();
    const either = AbortSignal.any([signal, newest.signal]);
    const sent = body();
    try {
      // The reason is not part of the tag, and may be entered after the preview.
      const previewed = { ...sent, reason: sent.reason || "a preview" };
      const options = { method: "POST", query: { dry_run: true }, body: previewed, signal: either };
      const { body: answer, etag, unreadable } = await ask(path, options);
      await learnIds(answer.builds.slice(0, SOME), either);
      planned = { sent, etag, answer, request: requestId() };
      showFaults(form, null);
      fill(apply, `${verb} ${counted(answer.changed, "build")}`);
      ready(answer.changed);
      const say = summary(answer);
      const notes = [former && since(former.builds, answer.builds), broken(unreadable)];
      const left = answer.skipped?.map(({ id, why }) => h("li", {}, buildLink(id), ": ", text(why)));
      fill(area, notes, h("p", {}, say), left?.length > 0 && h("ul", {}, left), builds(answer.builds));
      announce(say);
    } catch (error) {
      if (either.aborted) return;
      fill(area, showFaults(form, error));
      announce(error.message);
    }
  }

  async function carryOut() {
    if (!planned || apply.getAttribute("aria-disabled") === "true") return;
    const { sent, etag, answer, request } = planned;
    ready(false);
    try {
      const headers = { "If-Match": etag, "X-Request-ID": request };
      const { reason } = body();
      done((await ask(path, { method: "POST", body: { ...sent, reason }, headers })).body);
    } catch (error) {
      const late = error.status === 412;
      const made = late && (await landed(request).catch(() => null));
      if (made) return done(made);
      if (late) await preview(answer);
      else area.prepend(showFaults(form, error));
      ready(planned);
      area.querySelector(".problem")?.focus();
    }
  }

  function builds(all, from = 0) {
    const columns = ["build", "changes", leaveOut && h("span", { class: "unseen" }, "leave out")].filter(Boolean);
    const out = (id) => () => leaveOut?.(id, all.map((build) => build.id));
    const leave = (id) => leaveOut && button("Leave out", out(id), { "aria-label": `Leave out build ${id}` });
    const row = ({ id, changes }) => [buildLink(id), difference(changes), leave(id)].slice(0, columns.length);
    const rows = all.slice(from, from + SOME).map(row);
    const further = all.length - from - SOME;
    const more = button(`Show ${Math.min(SOME, further)} more of ${further}`, async () => {
      await learnIds(all.slice(from + SOME, from + 2 * SOME), signal);
      const next = h("div", {}, builds(all, from + SOME));
      more.replaceWith(next);
      next.querySelector("a").focus();
    });
    return [rows.length > 0 && table("Builds that change", columns, rows), further > 0 && more];
  }
}

/** Return a form on the left, and its plan on the right. @param {string} title what the plan is called */
export function sides(form, title, { apply, area }) {
  return h("div", { class: "sides" }, form, h("section", { "aria-label": title }, h("h2", {}, title), apply, area));
}

function summary({ changed, unchanged, alive, skipped: left }) {
  const part = (count, one, many) => count > 0 && `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  return `${[
    `${counted(changed, "build")} ${changed === 1 ? "changes" : "change"}`,
    part(unchanged, "is unchanged", "are unchanged"),
    part(alive, "is alive and left out", "are alive and left out"),
    part(left?.length, "is skipped", "are skipped"),
  ].filter(Boolean).join(", ")}.`;
}

/** Return the differences of two previews, as an error. */
function since(before, after) {
  const [old, young] = [before, after].map((builds) => new Map(builds.map(({ id, etag }) => [id, etag])));
  const those = (words, of, is) => {
    const ids = [...of.keys()].filter(is);
    const some = [ids.slice(0, 10).map((id) => [" ", buildLink(id)]), ids.length > 10 && " …"];
    return ids.length > 0 && h("p", {}, `${counted(ids.length, "build")} ${words}:`, some);
  };
  return h("div", { class: "problem", tabindex: -1 },
    h("p", {}, "Nothing was changed, because the builds have changed since the preview. Review the new preview:"),
    those("changed since", young, (id) => old.has(id) && old.get(id) !== young.get(id)),
    those("joined the selection", young, (id) => !old.has(id)),
    those("would no longer change", old, (id) => !young.has(id)));
}

/** Return the repair that a request has made whose response was lost. */
async function landed(request) {
  const { body } = await ask("repairs", { query: { per_page: 10 } });
  return body.find((repair) => repair.request_id === request);
}
