/** Differences: the fields that change, with the old and the new value of each. */

import { h, pairs, text } from "../dom.js";
import { same } from "../json.js";
import { shown } from "./fields.js";

/** @typedef {Record<string, {from: any, to: any}>} Changes by field, as in the API; null is no value */

/** Return the fields in which two builds differ. @returns {Changes} */
export function changesOf(before, after) {
  const names = Object.keys({ ...before, ...after });
  const both = names.map((name) => ({ name, from: before[name] ?? null, to: after[name] ?? null }));
  const changed = both.filter(({ from, to }) => !same(from, to));
  return Object.fromEntries(changed.map(({ name, ...change }) => [name, change]));
}

/** Return changes as a list of fields. @param {Changes} changes */
export function difference(changes) {
  return pairs(Object.entries(changes).map(([name, { from, to }]) => [name, between(name, from, to)]));
}

function between(name, from, to) {
  const long = (value) => typeof value === "string" && value.length > 40;
  if (long(from) && long(to)) return byWords(from, to);
  const arrow = h("span", { class: "quiet", "aria-hidden": "true" }, " → ");
  return [h("del", {}, shown(name, from, false)), arrow, h("ins", {}, shown(name, to, false))];
}

/** Return the difference of two long texts, in which their common first and last words are not marked. */
function byWords(from, to) {
  const [old, young] = [from.split(/(?<=\s)/), to.split(/(?<=\s)/)];
  const most = Math.min(old.length, young.length);
  let [head, tail] = [0, 0];
  while (head < most && old[head] === young[head]) head++;
  while (tail < most - head && old.at(-1 - tail) === young.at(-1 - tail)) tail++;
  const part = (words, begin, end) => text(words.slice(begin, end).join(""));
  return [
    part(old, 0, head),
    old.length > head + tail && h("del", {}, part(old, head, old.length - tail)),
    young.length > head + tail && h("ins", {}, part(young, head, young.length - tail)),
    part(old, old.length - tail, old.length),
  ];
}
