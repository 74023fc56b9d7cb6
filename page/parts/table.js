/** Tables, and links to the pages of a list. */

import { h, link } from "../dom.js";
import { href } from "./address.js";

/** The number of items on a page, which is the API's maximum. */
export const PER_PAGE = 100;

// In a narrow window the rows are stacked, and each cell shows the name of its column. The explicit roles are needed
// because a browser gives no table roles to elements that are displayed as blocks.
/** Return a table. @param {string} label @param {any[]} columns their headings @param {any[][]} rows of cells */
export function table(label, columns, rows) {
  const head = columns.map((column) => h("th", { role: "columnheader", scope: "col" }, column));
  const labels = columns.map((column) => (typeof column === "string" ? column : null));
  const cell = (content, index) => h("td", { role: "cell", "data-label": labels[index] }, content);
  const body = rows.map((cells) => h("tr", { role: "row" }, cells.map(cell)));
  return h("table", { role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, body));
}

/** Return the query parameters of a page. @param {Record<string, string>} query the view's */
export function paged({ page }) {
  return { page, per_page: PER_PAGE };
}

/** Return links to the pages beside. @param {string} path of the view @param {any} query @param {number} total items */
export function pager(path, query, total) {
  const page = Number(query.page ?? 1);
  const last = Math.max(1, Math.ceil(total / PER_PAGE));
  const to = (id, number) => link(id, href(path, { ...query, page: number === 1 ? "" : number }), id);
  const first = (page - 1) * PER_PAGE + 1;
  const upTo = Math.min(total, first + PER_PAGE - 1);
  const all = total === Infinity ? "many" : total.toLocaleString("en");
  return (page > 1 || last > 1) && h("nav", { class: "pager", "aria-label": "Pages" },
    page > 1 && to("previous", Math.min(page - 1, last)),
    h("span", {}, page > last ? "nothing here" : `${first}–${upTo} of ${all}`),
    page < last && to("next", page + 1));
}
