/** How to write a framework: one subscription kept alive, calls beside it, over HTTP or in the same process. */
export * from './http-transport.js';
export * from './scheduler-client.js';
export type * from './transport.js';
