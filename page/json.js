/** JSON as the service has it: with integers up to 2^63-1, which a Number would round. */

/** Whether this browser can read and write them; those from before 2025 cannot. */
export const isExact = "rawJSON" in JSON;

/** Read JSON, in which an integer over 2^53 becomes a BigInt; what is no JSON is undefined. @param {string} json */
export function read(json) {
  try {
    return JSON.parse(json, exact);
  } catch {
    return undefined;
  }
}

function exact(_, value, { source }) {
  const rounded = Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** Write JSON, in which a BigInt is a number. @returns {string} */
export function write(value) {
  const { rawJSON } = /** @type {any} */ (JSON);
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? rawJSON(String(item)) : item));
}

/** Whether two values are the same JSON; the keys of objects must come in the same order. */
export function same(one, other) {
  return write(one) === write(other);
}
