/** Sets of ports as ranges, held against sets of numbers. */
import fc from 'fast-check';
import { addPorts, normalizePorts, subtractPorts, type PortRanges } from './port-ranges.js';

const ranges = fc
  .array(fc.record({ begin: fc.integer({ min: 0, max: 40 }), length: fc.integer({ min: 0, max: 6 }) }), { maxLength: 8 })
  .map((all) => normalizePorts(all.map(({ begin, length }) => ({ begin, end: begin + length - 1 }))));

const numbers = (of: PortRanges): number[] => of.flatMap(({ begin, end }) => Array.from({ length: end - begin + 1 }, (_, index) => begin + index));
const inOrder = (of: Iterable<number>): number[] => [...new Set(of)].sort((a, b) => a - b);

describe('ranges of ports', () => {
  it('are added as sets are, and stay normalised', () => {
    fc.assert(
      fc.property(ranges, ranges, (a, b) => {
        const sum = addPorts(a, b);
        expect(numbers(sum)).toEqual(inOrder([...numbers(a), ...numbers(b)]));
        expect(sum).toEqual(normalizePorts(sum));
      }),
    );
  });

  it('are subtracted as sets are, and stay normalised', () => {
    fc.assert(
      fc.property(ranges, ranges, (a, b) => {
        const left = subtractPorts(a, b);
        expect(numbers(left)).toEqual(numbers(a).filter((port) => !numbers(b).includes(port)));
        expect(left).toEqual(normalizePorts(left));
      }),
    );
  });
});
