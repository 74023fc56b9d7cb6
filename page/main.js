/** Shows the view that belongs to the address. */

import { ask, newToken, now, session } from "./api.js";
import { announce, byId, fill, h, link, text } from "./dom.js";
import { isExact } from "./json.js";
import { here, takeNotice } from "./parts/address.js";
import { problem } from "./parts/form.js";
import { build } from "./views/build.js";
import { builds } from "./views/builds.js";
import { create, edit } from "./views/edit.js";
import { putBack, revisions } from "./views/history.js";
import { repair } from "./views/repair.js";
import { oneRepair, repairs, undo } from "./views/repairs.js";
import { stuck } from "./views/stuck.js";
import { startSession } from "./views/token.js";

/**
 * A view is a function of the address and of the API's responses. `say` is announced when only the filters change.
 * @typedef {{title: string, content: import("./dom.js").Child, say?: string}} Shown
 * @typedef {(place: import("./parts/address.js").Place, signal: AbortSignal) => Promise<Shown>} View
 */

/** @type {[RegExp, View][]} */
const VIEWS = [
  [/^(stuck)?$/, stuck],
  [/^repair$/, repair],
  [/^builds$/, builds],
  [/^builds\/new$/, create],
  [/^builds\/\d+$/, build],
  [/^builds\/\d+\/edit$/, edit],
  [/^builds\/\d+\/history$/, revisions],
  [/^builds\/\d+\/history\/\d+$/, putBack],
  [/^repairs$/, repairs],
  [/^repairs\/\d+$/, oneRepair],
  [/^repairs\/\d+\/undo$/, undo],
];

/** @type {View} */
const nowhere = async () => ({ title: "Page not found", content: link("back", "#/stuck", "Show stuck builds") });

/** Seconds after which the header counts a build as stuck. */
const DAY = 86_400;

const main = byId("main");
let current = new AbortController();
let before = "";

async function show() {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const place = here();
  const path = place.path.join("/");
  const view = VIEWS.find(([pattern]) => pattern.test(path))?.[1] ?? nowhere;
  main.setAttribute("aria-busy", "true");
  if (!session.token) await newToken();
  const failed = (error) => /** @type {Shown} */ ({ title: "The request failed", content: problem(error, show) });
  const made = await view(place, signal).catch(failed);
  if (signal.aborted) return;
  // The focus stays when only the filters change, returns to the link that was followed after Back, else is on top.
  const id = path === before ? document.activeElement?.id : history.state?.focus;
  const notice = takeNotice();
  document.title = `${made.title} – Build Admin`;
  const said = notice && h("p", { class: "notice", tabindex: -1 }, notice);
  fill(main, h("h1", { tabindex: -1 }, text(made.title)), said, made.content);
  main.removeAttribute("aria-busy");
  const first = main.querySelector(".problem") ?? main.querySelector(".notice[tabindex]") ?? main.querySelector("h1");
  ((id && byId(id)) || first).focus();
  announce((path === before && made.say) || "");
  before = path;
  for (const tab of document.querySelectorAll("header nav a")) {
    tab.ariaCurrent = tab.getAttribute("href") === `#/${place.path[0] || "stuck"}` ? "page" : null;
  }
  const count = ask("builds/stuck", { method: "HEAD", query: { before: now() - DAY }, signal });
  const { total } = await count.catch(() => ({ total: 0 }));
  if (!signal.aborted) fill(byId("stuck-count"), total > 0 && total.toLocaleString("en"));
}

main.addEventListener("click", ({ target }) => {
  const left = target.closest("a[id]");
  if (left) history.replaceState({ ...history.state, focus: left.id }, "");
});
byId("skip").addEventListener("click", () => main.querySelector("h1")?.focus());
window.addEventListener("hashchange", show);

if (isExact) {
  startSession();
  show();
} else {
  fill(main, "This browser would round large numbers. Use a browser from 2025 or later, or the API.");
}
