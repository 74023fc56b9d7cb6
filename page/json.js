/** JSON with integers up to 2^63-1, which a Number would round. */

/** Whether this browser can read and write such integers; browsers from before 2025 cannot. */
export const isExact = "rawJSON" in JSON;

/** Parse JSON, with integers over 2^53 as BigInt. Return undefined for invalid JSON. @param {string} json */
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

/** Return a value as JSON, with BigInt as numbers. @returns {string} */
export function write(value) {
  const { rawJSON } = /** @type {any} */ (JSON);
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? rawJSON(String(item)) : item));
}

/** Whether two values have the same JSON. The order of an object's keys counts. */
export function same(one, other) {
  return write(one) === write(other);
}
