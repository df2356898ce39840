/** The seven operators, on an agent's place and its siblings'. */
import type { Constraint, ConstraintOperator } from '@ekiden/model';
import { ConstraintSet } from './constraints.js';
import type { Peer } from './view.js';

const place = (hostname: string, attributes: Record<string, string> = {}, changes: Partial<Peer> = {}): Peer => ({
  hostname,
  attributes,
  region: null,
  zone: null,
  ...changes,
});
const onRack = (rack: string): Peer => place('h', { rack });
const rule = (field: string, operator: ConstraintOperator, value: string | null = null): Constraint => ({ field, operator, value });
const accepts = (constraint: Constraint, where: Peer, peers: readonly Peer[] = []): boolean => new ConstraintSet([constraint], peers).refusal(where) === null;

describe('a constraint', () => {
  it('UNIQUE refuses a value that a sibling has', () => {
    expect(accepts(rule('hostname', 'UNIQUE'), place('a'), [place('b')])).toBe(true);
    expect(accepts(rule('@hostname', 'UNIQUE'), place('a'), [place('a')])).toBe(false);
  });

  it('CLUSTER keeps to its value, or to where the first sibling is', () => {
    expect(accepts(rule('rack', 'CLUSTER', 'r1'), onRack('r2'))).toBe(false);
    expect(accepts(rule('rack', 'CLUSTER'), onRack('r2'))).toBe(true);
    expect(accepts(rule('rack', 'CLUSTER'), onRack('r2'), [onRack('r1'), onRack('r2')])).toBe(false);
  });

  it('LIKE and UNLIKE match the whole value', () => {
    expect(accepts(rule('rack', 'LIKE', 'r[12]'), onRack('r1'))).toBe(true);
    expect(accepts(rule('rack', 'LIKE', 'r'), onRack('r1'))).toBe(false);
    expect(accepts(rule('rack', 'UNLIKE', 'r[12]'), onRack('r3'))).toBe(true);
    expect(accepts(rule('rack', 'UNLIKE', 'r[12]'), onRack('r1'))).toBe(false);
  });

  it('an expression that explodes elsewhere takes no time, and a broken one says so', () => {
    expect(accepts(rule('rack', 'LIKE', '(a+)+b'), onRack('a'.repeat(5000)))).toBe(false);
    expect(new ConstraintSet([rule('rack', 'LIKE', '(')], []).refusal(onRack('r1'))).toContain('RE2');
  });

  it('MAX_PER counts', () => {
    expect(accepts(rule('rack', 'MAX_PER', '2'), onRack('r1'), [onRack('r1')])).toBe(true);
    expect(accepts(rule('rack', 'MAX_PER', '2'), onRack('r1'), [onRack('r1'), onRack('r1')])).toBe(false);
  });

  it('IS compares text exactly and numbers with three decimals', () => {
    expect(accepts(rule('rack', 'IS', 'r1'), onRack('r1'))).toBe(true);
    expect(accepts(rule('rack', 'IS', '8'), onRack('8.0001'))).toBe(true);
    expect(accepts(rule('rack', 'IS', '8'), onRack('8.001'))).toBe(false);
  });

  it('GROUP_BY takes a new value or the least filled one, and needs no value', () => {
    const peers = [onRack('r1'), onRack('r1'), onRack('r2')];
    expect(accepts(rule('rack', 'GROUP_BY'), onRack('r3'), peers)).toBe(true);
    expect(accepts(rule('rack', 'GROUP_BY'), onRack('r2'), peers)).toBe(true);
    expect(accepts(rule('rack', 'GROUP_BY'), onRack('r1'), peers)).toBe(false);
    expect(accepts(rule('rack', 'GROUP_BY'), onRack('r1'))).toBe(true);
    expect(accepts(rule('rack', 'GROUP_BY', '3'), onRack('r2'), peers)).toBe(false);
  });

  it('on a field that the agent lacks accepts UNLIKE only', () => {
    const all: Constraint[] = [
      rule('rack', 'UNIQUE'),
      rule('rack', 'CLUSTER'),
      rule('rack', 'LIKE', '.*'),
      rule('rack', 'MAX_PER', '5'),
      rule('rack', 'IS', ''),
      rule('rack', 'GROUP_BY'),
    ];
    expect(all.filter((one) => accepts(one, place('a')))).toEqual([]);
    expect(accepts(rule('rack', 'UNLIKE', '.*'), place('a'))).toBe(true);
    expect(accepts(rule('toString', 'LIKE', '.*'), place('a'))).toBe(false);
  });

  it('reads fault domains, and compares sets and ranges by content', () => {
    expect(accepts(rule('@zone', 'IS', 'z1'), place('a', {}, { zone: 'z1' }))).toBe(true);
    expect(accepts(rule('@region', 'IS', 'eu'), place('a', {}, { region: 'us' }))).toBe(false);
    expect(accepts(rule('rack', 'UNIQUE'), onRack('{b,a}'), [onRack('{a,b}')])).toBe(false);
    expect(accepts(rule('rack', 'UNIQUE'), onRack('[10-12,2-3]'), [onRack('[2-3,10-12]')])).toBe(false);
  });

  it('says what was found', () => {
    expect(new ConstraintSet([rule('rack', 'LIKE', 'r1')], []).refusal(onRack('r2'))).toBe('rack LIKE r1: this agent has rack=r2');
    expect(new ConstraintSet([rule('rack', 'IS', 'r1')], []).refusal(place('a'))).toBe('rack IS r1: this agent has no rack');
  });
});
