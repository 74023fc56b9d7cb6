/** View of stuck builds with the evidence for each, and their selection for a repair. */

import { ask, now } from "../api.js";
import { announce, counted, fill, h, text } from "../dom.js";
import { href } from "../parts/address.js";
import { status } from "../parts/fields.js";
import { filtered, toList } from "../parts/filters.js";
import { formOf } from "../parts/form.js";
import { buildLink, learn, nameOf } from "../parts/names.js";
import { PER_PAGE, pager, table } from "../parts/table.js";
import { distance, time } from "../parts/times.js";

/** The seconds in each unit of "for more than". */
const UNITS = { h: 3600, d: 86_400 };

/** The selected builds, on all pages of the list. A change of the filters clears the selection. */
export const selection = { of: "", all: false, ids: new Set() };

/** @type {import("../main.js").View} */
export async function stuck({ query }, signal) {
  const { older = "24h", page, ...filters } = query;
  const [, count, unit] = /^(\d{1,4})([hd])$/.exec(older) ?? ["", "24", "h"];
  const before = now() - Number(count) * UNITS[unit];
  const of = href("stuck", { older, ...filters });
  if (selection.of !== of) Object.assign(selection, { of, all: false, ids: new Set() });
  return filtered("stuck", formOf("stuck-form", { ...query, older }), async () => {
    const { body, total } = await ask("builds/stuck", { query: { ...toList(filters), page, before }, signal });
    await learn(body.map((item) => item.build), signal);
    const say = total ? `${counted(total, "build")}. Longest stuck first.` : await nothing(filters, signal);
    const found = total > 0 && list(body, total, { ...filters, stuck_before: before });
    return { say, found: [found, pager("stuck", query, total)] };
  });
}

async function nothing(filters, signal) {
  const what = Object.keys(filters).length ? "No stuck build matches these filters." : "No build is stuck.";
  const query = { ...toList(filters), before: now() + 60, per_page: 1 };
  const [oldest] = (await ask("builds/stuck", { query, signal })).body;
  if (!oldest) return `${what} No build is pending or running.`;
  return `${what} The longest time that a build has been pending or running is ${distance(oldest.since, "")}.`;
}

function list(items, total, where) {
  const dead = items.filter((item) => !item.alive).map((item) => item.build);
  const box = (id, label) =>
    h("input", { type: "checkbox", id: `select-${id}`, "aria-label": label, onchange: choose });
  const boxes = new Map(dead.map((build) => [String(build.id), box(build.id, `Select ${nameOf(build)}`)]));
  const [page, all] = [box("page", `Select the ${dead.length} on this page`), box("all", null)];
  const repair = h("a", { class: "button primary", id: "repair" });
  const others = Math.ceil(total / PER_PAGE) - 1;
  const beyond = others > 0 ? `, also those on the other ${counted(others, "page")}` : "";
  const label = ` Select all ${total.toLocaleString("en")} that match${beyond}; those that are alive are left out`;
  const rows = items.map(({ build, since, evidence, alive }) => [
    boxes.get(String(build.id)),
    buildLink(build.id),
    status(build.status),
    time(since, ""),
    text(build.host || "–"),
    [alive && h("strong", {}, "alive: "), text(evidence.join("; "))],
  ]);
  show();
  return [
    h("p", { class: "actions" }, h("label", {}, all, label), repair),
    table("Stuck builds", [page, "build", "status", "for", "host", "evidence"], rows),
  ];

  function choose({ target }) {
    if (target === all) selection.all = all.checked;
    else for (const [id, one] of boxes) selection.ids[(target === page ? page : one).checked ? "add" : "delete"](id);
    show();
  }
  function show() {
    all.checked = selection.all;
    page.disabled = selection.all;
    for (const [id, one] of boxes) {
      Object.assign(one, { disabled: selection.all, checked: selection.all || selection.ids.has(id) });
    }
    page.checked = boxes.size > 0 && [...boxes.values()].every((one) => one.checked);
    const count = selection.all ? total : selection.ids.size;
    const elsewhere = selection.all ? 0 : [...selection.ids].filter((id) => !boxes.has(id)).length;
    repair.hidden = !count;
    const others = elsewhere ? `, ${elsewhere} on other pages` : "";
    const words = `${selection.all ? "all " : ""}${counted(count, "build")}${others}`;
    fill(repair, `Repair ${words}…`);
    repair.setAttribute("href", href("repair", { ...where, ids: selection.all ? "" : [...selection.ids].join(",") }));
    if (count) announce(`Selected: ${words}.`);
  }
}
