/** The Mesos v1 wire: types, RecordIO, lenient reading, conversion to our units, and what Ekiden adds beside it. */
export * from './convert.js';
export * from './ekiden-extension.js';
export type * from './messages.js';
export * from './parse-call.js';
export * from './recordio.js';
export * from './agent-attributes.js';
export * from './container-info.js';
