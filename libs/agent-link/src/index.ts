/** The protocol between master and agents. */
export * from './messages.js';
