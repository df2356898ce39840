/** The nouns of Ekiden: ids, resources, states, specs, the world. No behaviour but arithmetic. */
export * from './abilities.js';
export * from './app-ports.js';
export * from './app-spec.js';
export * from './docker-parameters.js';
export * from './errors.js';
export * from './ids.js';
export * from './instance.js';
export * from './port-ranges.js';
export * from './resources.js';
export * from './task-state.js';
export * from './world.js';
