/** Somebody pushes an image under a tag that others run: nothing that is deployed may change by it. */
import type { Happening } from '../happening.js';
import { IMAGES } from './image-shapes.js';

export const pushImage: Happening = {
  name: 'somebody pushes an image',
  meanMs: 10_000,
  isFor: ({ imageShare }) => imageShare > 0,
  happen({ world }, chance) {
    world.registry.push(chance.pick(IMAGES));
  },
};
