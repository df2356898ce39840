/** The version of this Ekiden; package.json says the same (tools/tidy.mjs compares). */
export const EKIDEN_VERSION = '0.1.0';
