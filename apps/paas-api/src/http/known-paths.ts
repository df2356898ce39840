/** Which paths exist, whatever the method: a wrong method on one of them is 405, anything else 404 (Marathon: 1.4, quirk Q1). */
import { pathOf } from './request-path.js';

const KNOWN = [
  /^\/ping$/,
  /^\/metrics(\/prometheus)?$/,
  /^\/v2\/(apps|groups|pods)(\/.*)?$/,
  /^\/v2\/tasks(\/delete)?$/,
  /^\/v2\/deployments(\/[^/]+)?$/,
  /^\/v2\/queue(\/.+\/delay)?$/,
  /^\/v2\/(info|leader|events|plugins)$/,
  /^\/ekiden\/v1\/(why\/.+|apps(\/.+\/(plan|statistics|images|exec))?|statistics|preview|deployments(\/[^/]+)?|nodes|tasks\/[^/]+\/(statistics|exec|logs\/(stdout|stderr)))$/,
];

/** Known paths that have something else than JSON to send. */
const OTHER_TYPES = [/^\/ping$/, /^\/metrics(\/prometheus)?$/, /^\/v2\/events$/, /^\/ekiden\/v1\/tasks\/[^/]+\/logs\/(stdout|stderr)$/];

/** JSON is all that there is at this path. */
export const isJsonOnly = (url: string): boolean => isKnownPath(url) && !OTHER_TYPES.some((pattern) => pattern.test(pathOf(url)));

export const isKnownPath = (url: string): boolean => KNOWN.some((pattern) => pattern.test(pathOf(url)));
