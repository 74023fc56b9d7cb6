/** Elements and text nodes. No function parses HTML, so hostile text in builds stays text. */

/** @typedef {Node | string | number | bigint | null | undefined | false | any[]} Child */

/**
 * Make an element. An attribute that is a function is an event listener (`onclick`). `true` is an attribute without a
 * value. null, undefined and false set no attribute. `value` and `checked` are set as properties.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...Child} children @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = fill(document.createElement(tag), children);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  return element;
}

/** Replace the children of an element. @param {any} element @param {...Child} children */
export function fill(element, ...children) {
  const there = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.replaceChildren(...there.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

// Control characters, directional marks and zero-width spaces, which change how the text around them reads; without
// line ends and tabs, and without the joiners U+200C and U+200D, which emoji and some scripts need.
const UNSEEN =
  /([\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\r(?!\n))/;

/** Return text from a build or a user, isolated from the text around it, with invisible characters as their codes. */
export function text(value) {
  const parts = String(value).split(UNSEEN);
  const code = (character) => `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  return h("bdi", {}, parts.map((part, index) => (index % 2 ? h("span", { class: "code" }, code(part)) : part)));
}

/** Return a link within the page. Going back focuses it by its id. @param {Child} words */
export function link(id, href, words, more = {}) {
  return h("a", { id, href, ...more }, words);
}

/** Return a button that does not submit its form. @param {Child} words @param {() => any} onclick */
export function button(words, onclick, more = {}) {
  return h("button", { type: "button", onclick, ...more }, words);
}

/** Return a list of names with their values. @param {[string, Child][]} entries */
export function pairs(entries) {
  return h("dl", { class: "fields" }, entries.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** Return a number with its noun: "1 build", "1,204 builds". @param {number} count @param {string} noun */
export function counted(count, noun) {
  return `${count === Infinity ? "Many" : count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {string} id @returns {any} the element with this id */
export function byId(id) {
  return document.getElementById(id);
}

/** Announce a change of the page to users of a screen reader. @param {string} sentence */
export function announce(sentence) {
  byId("live").textContent = sentence;
}
