/** Forms: the templates of index.html, controls for the fields of a build, and faults at their controls. */

import { Lost, Refused } from "../api.js";
import { button, byId, h, text } from "../dom.js";
import { read } from "../json.js";
import { STATUSES, kind } from "./fields.js";
import { local } from "./times.js";

/** Return a form from its template in index.html. @param {string} id @param {Record<string, any>} values by name */
export function formOf(id, values = {}) {
  const form = byId(id).content.cloneNode(true).firstElementChild;
  for (const choice of form.querySelectorAll("[data-any]")) {
    choice.append(h("option", { value: "" }, choice.dataset.any), ...options(Object.keys(STATUSES)));
  }
  setValues(form, values);
  return form;
}

const options = (values) => values.map((value) => h("option", { value }, value));
const isTime = ({ type }) => type === "datetime-local";

/** Set the controls of a form or fieldset. @param {Record<string, string>} values by name; times are Unix seconds */
export function setValues(form, values) {
  for (const control of form.elements) {
    const value = values[control.name];
    if (value === undefined) continue;
    // Add an option for a value in the address that the select does not have.
    control.value = isTime(control) && value ? local(value) : value;
    if (control.options && control.value !== value) control.append(h("option", { value, selected: true }, value));
    if (value) control.closest("details")?.setAttribute("open", "");
  }
}

/** Return the values of a form or fieldset. @returns {Record<string, string>} by name; times are Unix seconds */
export function valuesOf(form) {
  const seconds = ({ value }) => value && String(Date.parse(value) / 1000);
  const named = [...form.elements].filter(({ name }) => name);
  return Object.fromEntries(named.map((control) => [control.name, isTime(control) ? seconds(control) : control.value]));
}

/** Return a labelled control for a field of a build. @param {string} value as text @param {any} more children */
export function control(name, value, id = `f-${name}`, ...more) {
  const typed = { id, name, value, autocomplete: "off", autocapitalize: "off", spellcheck: "false" };
  const choices = { status: Object.keys(STATUSES), flag: ["false", "true"] }[kind(name)];
  const digits = ["integer", "time"].includes(kind(name)) && h("input", { ...typed, inputmode: "numeric" });
  const choice = choices && h("select", { id, name }, options([...new Set([...choices, value])]));
  // A textarea, because an input would remove line ends.
  const made = choice || digits || h("textarea", { ...typed, rows: 1 });
  made.value = value;
  return h("div", { class: "field" }, h("label", { for: id }, name), made, more);
}

/** Return a field's value as text for its control. @param {string} name @returns {string} */
export function toText(name, value) {
  if (kind(name) === "flag") return String(Boolean(value));
  if (kind(name) === "map") return value ? JSON.stringify(value, null, 1) : "";
  return String(value ?? "");
}

// What was typed and is no number or object is sent as it is: the API says what is wrong with it.
/** Return what was typed as the API takes it. @param {string} name @param {string} typed @param {any} [before] */
export function fromText(name, typed, before) {
  if (kind(name) === "flag") return typed === "true";
  if (kind(name) === "map") return typed.trim() ? (read(typed) ?? typed) : {};
  if (kind(name) !== "text") return integer(typed);
  // A textarea changes CRLF to LF; restore it.
  return String(before).includes("\r\n") ? typed.replaceAll(/\r?\n/g, "\r\n") : typed;
}

/** Return digits as a number, and other text unchanged. @param {string} typed */
export function integer(typed) {
  return /^\s*\d+\s*$/.test(typed) ? read(typed.trim().replace(/^0+(?=\d)/, "")) : typed;
}

/** Return an error as an element. @param {any} error @param {() => any} [again] called by the button "Try again" */
export function problem(error, again, faults = error.fields ?? {}) {
  const known = error instanceof Refused || error instanceof Lost;
  return h("div", { class: "problem", tabindex: -1 },
    h("p", {}, text(known ? error.message : `This is a defect of the page: ${error.message}`)),
    Object.entries(faults).map(([name, sentences]) => h("p", {}, text(`${name} ${[sentences].flat().join(" ")}`))),
    error.requestId && h("p", {}, h("small", {}, "request ", text(error.requestId))),
    again && button("Try again", again));
}

/** Show faults at the controls of a form. @param {any} error or null @returns {any} the other faults, as a `problem` */
export function showFaults(form, error) {
  form.querySelectorAll(".fault").forEach((old) => old.remove());
  form.querySelectorAll("[aria-invalid]").forEach((control) => control.removeAttribute("aria-invalid"));
  const rest = Object.entries(error?.fields ?? {}).filter(([name, sentences]) => {
    // A repair's fault `set.status` belongs to `f-set-status`, and `where.host` to `f-host`.
    const key = name.replace(/^where\./, "").replace(".", "-");
    const control = form.querySelector(`#${CSS.escape(`f-${key}`)}`);
    const id = `fault-${key}`;
    control?.setAttribute("aria-invalid", "true");
    control?.setAttribute("aria-describedby", id);
    control?.parentElement.append(h("p", { class: "fault", id }, text(`${name} ${[sentences].flat().join(" ")}`)));
    control?.closest("details")?.setAttribute("open", "");
    return !control;
  });
  return error && problem(error, undefined, Object.fromEntries(rest));
}
