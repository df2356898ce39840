/** The Marathon v2 wire: one schema a shape, normalisation, validation, error bodies, events. */
export { appInputSchema, type AppInput } from './app.schema.js';
export { checkIdText, type CheckedId } from './check-id.js';
export { classifyChange, type ChangeClass } from './classify-change.js';
export { assertDepth, withoutNulls } from './clean-body.js';
export type { AppDefinition, Normalized, NormalizeOptions } from './definition.js';
export { ERROR_TABLE, errorBody, type ErrorAnswer, type ErrorEntry } from './error-table.js';
export * from './events.js';
export { parseLabelSelector, type LabelSelector } from './label-selector.js';
export * from './limits.js';
export { invalidObject, normalizeApp, parseApp, type AppRequest } from './normalize-app.js';
export { parseBody } from './parse-body.js';
export { pingAnswer, type PingAnswer } from './ping.js';
export { parseWith } from './schema-errors.js';
export * from './responses.js';
export { assignServicePorts, servicePortsOf, type ServicePortRequest } from './service-ports.js';
export { toAppSpec } from './to-app-spec.js';
