/** The form for the token. It is shown above the view, which keeps its state, if there is no token or it is refused. */

import { fault, newToken, now, session } from "../api.js";
import { byId, fill, text } from "../dom.js";
import { read } from "../json.js";

const KEY = "build-admin-token";

/** Seconds before a token expires at which the page offers to enter a new one. */
const SOON = 300;

/** Use the token that is stored for this tab, if there is one, and show its subject and its remaining time. */
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

/** Return the claims of the token, without checking its signature. @returns {{sub?: string, exp?: number}} */
function claims() {
  try {
    const payload = atob(session.token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return read(new TextDecoder().decode(Uint8Array.from(payload, (character) => character.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}

/** Remove the token, and reload the page. */
function leave() {
  sessionStorage.removeItem(KEY);
  location.hash = "#/stuck";
  location.reload();
}

/** Ask for a token. @param {string} sentence the service's, about the old token @returns {Promise<void>} */
function panel(sentence) {
  const [section, input, keep, said] = ["token", "f-token", "token-keep", "token-fault"].map(byId);
  const focused = /** @type {any} */ (document.activeElement);
  fill(byId("token-heading"), session.token ? "A new token is needed" : "Sign in");
  fill(byId("token-said"), session.token && "Your input below is kept.");
  fill(said, sentence && text(sentence));
  keep.checked = Boolean(sessionStorage.getItem(KEY));
  section.hidden = false;
  input.focus();
  return new Promise((resolve) => {
    section.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      // Accept a token that is pasted with a line end, or with the name of the header.
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
