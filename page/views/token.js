/** In and out: a token is asked for in place when there is none or it is refused; what is below stays as it is. */

import { fault, newToken, now, session } from "../api.js";
import { byId, fill, text } from "../dom.js";
import { read } from "../json.js";

const KEY = "build-admin-token";

/** Seconds before a token's end at which a new one is offered. */
const SOON = 300;

/** Begin with the token that was kept for this tab, if one was; from then on show whose it is and how long it lasts. */
export function startSession() {
  session.ask = panel;
  session.token = sessionStorage.getItem(KEY) ?? "";
  byId("leave").addEventListener("click", leave);
  byId("renew").addEventListener("click", () => newToken());
  setInterval(showSession, 5000);
  showSession();
}

function showSession() {
  const { sub = "", exp = 0 } = claims();
  const left = exp - now();
  byId("session").hidden = !session.token;
  byId("renew").hidden = left > SOON;
  fill(byId("who"), text(sub));
  fill(byId("left"), left > 0 ? `${Math.ceil(left / 60)} min left` : "expired");
}

/** Return what the token claims, which only the service can check. @returns {{sub?: string, exp?: number}} */
function claims() {
  try {
    const payload = atob(session.token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return read(new TextDecoder().decode(Uint8Array.from(payload, (character) => character.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}

/** Forget the token, and all that is shown. */
function leave() {
  sessionStorage.removeItem(KEY);
  location.hash = "#/stuck";
  location.reload();
}

/** Ask for a token. @param {string} sentence the service's about the old one @returns {Promise<void>} */
function panel(sentence) {
  const [section, input, keep, said] = ["token", "f-token", "token-keep", "token-fault"].map(byId);
  const focused = /** @type {any} */ (document.activeElement);
  fill(byId("token-heading"), session.token ? "A new token is needed" : "Sign in");
  fill(byId("token-said"), session.token && "What you have typed is still here, below.");
  fill(said, sentence && text(sentence));
  keep.checked = Boolean(sessionStorage.getItem(KEY));
  section.hidden = false;
  input.focus();
  return new Promise((resolve) => {
    section.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      // People copy more than the token: the end of the line, or the name of the header.
      const given = input.value.trim().replace(/^(authorization:\s*)?bearer\s+/i, "");
      const isOne = /^[\x21-\x7e]+$/.test(given);
      const refused = isOne ? await fault(given).catch((error) => error.message) : "Paste a token here.";
      fill(said, refused && text(refused));
      if (refused) return input.focus();
      if (keep.checked) sessionStorage.setItem(KEY, given);
      else sessionStorage.removeItem(KEY);
      session.token = given;
      showSession();
      input.value = "";
      section.hidden = true;
      focused?.focus();
      resolve();
    };
  });
}
