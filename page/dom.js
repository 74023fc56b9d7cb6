/** Elements with text in them. Nothing here reads HTML, so what strangers wrote stays text. */

/** @typedef {Node | string | number | bigint | null | undefined | false | any[]} Child */

/**
 * Make an element. An attribute that is a function is a listener (`onclick`), `true` has no value, and null, undefined
 * and false are none; `value` and `checked` are set as properties.
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

/** Put children in the place of what an element has. @param {any} element @param {...Child} children */
export function fill(element, ...children) {
  const there = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.replaceChildren(...there.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

// Controls, marks of direction and spaces of no width, which change how what is around them is read. Line ends and tabs
// show as such; the joiners U+200C and U+200D are left alone, for emoji and whole scripts need them.
const UNSEEN =
  /([\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\r(?!\n))/;

/** Return what somebody else wrote, isolated from the text around it, with unseen characters shown by their codes. */
export function text(value) {
  const parts = String(value).split(UNSEEN);
  const code = (character) => `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  return h("bdi", {}, parts.map((part, index) => (index % 2 ? h("span", { class: "code" }, code(part)) : part)));
}

/** Return a link within the page; by its id the focus comes back to it. @param {Child} words */
export function link(id, href, words, more = {}) {
  return h("a", { id, href, ...more }, words);
}

/** Return a button that submits nothing. @param {Child} words @param {() => any} onclick */
export function button(words, onclick, more = {}) {
  return h("button", { type: "button", onclick, ...more }, words);
}

/** Return names with their values, as a list. @param {[string, Child][]} entries */
export function pairs(entries) {
  return h("dl", { class: "fields" }, entries.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** Return a number and what it counts: "1 build", "1,204 builds". @param {number} count @param {string} noun */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {string} id @returns {any} the element with this id */
export function byId(id) {
  return document.getElementById(id);
}

/** Tell users of a screen reader what has changed on the page. @param {string} sentence */
export function announce(sentence) {
  byId("live").textContent = sentence;
}
