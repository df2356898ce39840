/** The first thing that happens on a day: every app of the cluster is created. */
import type { Happening } from '../happening.js';
import { aNewApp } from './app-shapes.js';
import { isForced } from './clients.js';

export const createAllApps: Happening = {
  name: 'users create all their apps',
  meanMs: 86_400_000,
  happen({ clients, traits }, chance) {
    for (const id of traits.apps) clients.change(id, aNewApp(chance, traits), isForced(chance));
  },
};
