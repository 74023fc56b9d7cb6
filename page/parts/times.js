/** Unix seconds as dates and as distances from now. */

import { now } from "../api.js";
import { h } from "../dom.js";

/** @type {[string, number, number][]} each unit, its seconds, and the distance in seconds below which it is used */
const UNITS = [
  ["second", 1, 60],
  ["minute", 60, 3600],
  ["hour", 3600, 48 * 3600],
  ["day", 86_400, 730 * 86_400],
  ["year", 365 * 86_400, Infinity],
];

/** Return the distance of a time from now: "26 hours ago". @param {any} seconds @param {string} past its suffix */
export function distance(seconds, past = "ago") {
  const passed = now() - Number(seconds);
  const [unit, length] = UNITS.find(([, , most]) => Math.abs(passed) < most) ?? UNITS[0];
  const count = Math.floor(Math.abs(passed) / length);
  const words = `${count} ${unit}${count === 1 ? "" : "s"}`;
  return passed < 0 ? `in ${words}` : `${words} ${past}`.trim();
}

/** Return a time in the format of `datetime-local`, "2026-11-24T23:45:10"; "" if Date cannot represent it. */
export function local(seconds) {
  const date = new Date(Number(seconds) * 1000);
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return Number.isNaN(shifted.getTime()) ? "" : shifted.toISOString().slice(0, -5);
}

/** Return a time with its zone, "2026-11-24 23:45:10 GMT+1"; "" if Date cannot represent it. */
export function exact(seconds) {
  if (!local(seconds)) return "";
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(Number(seconds) * 1000);
  return `${local(seconds).replace("T", " ")} ${parts.find((part) => part.type === "timeZoneName")?.value}`;
}

/** Return the distance of a time from now. The exact time is shown on hover, and while the row has the focus. */
export function time(seconds, past = "ago") {
  if (!Number(seconds)) return h("span", {}, "never");
  return h("time", { "data-exact": exact(seconds) || String(seconds) }, distance(seconds, past));
}
