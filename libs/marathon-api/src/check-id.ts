/** An app id as a body spells it into an absolute one, or the rule that it breaks. */
import { appId, EkidenError, resolvePath, type AppId } from '@ekiden/model';

export type CheckedId = { readonly id: AppId } | { readonly path: string; readonly error: string };

/** Relative ids start at the root group. An absolute id with `..` or an empty part in it is refused rather than guessed at. */
export function checkIdText(raw: string): CheckedId {
  const trimmed = raw.length > 1 && raw.endsWith('/') ? raw.slice(0, -1) : raw;
  if (trimmed === '/' || trimmed === '') return { path: '/', error: 'must not be root: an app needs a path of at least one element' };
  const isAbsolute = trimmed.startsWith('/');
  const parts = (isAbsolute ? trimmed.slice(1) : trimmed).split('/');
  if (parts.includes('')) return { path: '/id', error: `"${shown(raw)}" has an empty part: write one "/" between two parts` };
  if (isAbsolute && parts.some((part) => part === '.' || part === '..')) {
    return { path: '/id', error: `"${shown(raw)}" is absolute and must not contain "." or "..": write the path that is meant` };
  }
  try {
    return { id: appId(resolvePath(trimmed, '/')) };
  } catch (error) {
    if (error instanceof EkidenError) return { path: '/id', error: error.message };
    throw error;
  }
}

const MAX_SHOWN = 60;
const shown = (raw: string): string => (raw.length > MAX_SHOWN ? `${raw.slice(0, MAX_SHOWN)}…` : raw);
