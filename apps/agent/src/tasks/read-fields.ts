/** Reads what comes from outside field by field; what is wrong of it, or not built, becomes a refusal in words. Pure. */
export type Fields = Readonly<Record<string, unknown>>;

/** A field that is wrong, or not built. */
export class Refusal extends Error {}

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);

export function fieldsOf(value: unknown, name: string): Fields {
  if (!isFields(value)) throw new Refusal(`\`${name}\` is missing`);
  return value;
}

export function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw new Refusal(`\`${name}\` has to be a text that is not empty`);
  return value;
}
