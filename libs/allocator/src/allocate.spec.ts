import { agentId, frameworkId, NO_RESOURCES, portsOf, role, type Resources, type Role } from '@ekiden/model';
import { allocate, nextFilterEnd, takeEndedFilters } from './allocate.js';
import * as allocator from './state.js';

const A = agentId('a');
const B = agentId('b');
const ANY = role('*');
const size = (cpusMilli: number, memMib = 1024): Resources => ({ ...NO_RESOURCES, cpusMilli, memMib });

function aCluster(agents: readonly (readonly [typeof A, Resources])[] = [[A, size(4000)]]) {
  const state = allocator.newAllocatorState();
  for (const [id, total] of agents) allocator.setAgent(state, { agentId: id, total, active: true });
  return state;
}
function aFramework(state: allocator.AllocatorState, name: string, roles: readonly Role[] = [ANY], takesGpus = false) {
  const id = frameworkId(name);
  allocator.setFramework(state, { frameworkId: id, roles, suppressed: new Set(), active: true, takesGpus });
  return id;
}

it('offers the whole free remainder of an agent to one framework, once', () => {
  const state = aCluster();
  const f = aFramework(state, 'f');
  expect(allocate(state, [A], 0)).toEqual([{ agentId: A, frameworkId: f, role: ANY, resources: size(4000) }]);
  expect(allocate(state, [A], 0)).toEqual([]);
});

it('hands the next agent to whoever has the smaller share', () => {
  const state = aCluster([
    [A, size(4000)],
    [B, size(4000)],
  ]);
  const [f, g] = [aFramework(state, 'f'), aFramework(state, 'g')];
  expect(allocate(state, [A, B], 0).map((one) => one.frameworkId)).toEqual([f, g]);
});

it('counts by weight: a role of weight 3 gets three agents while another gets one', () => {
  const ids = Array.from({ length: 8 }, (_, index) => agentId(`a${index}`));
  const state = aCluster(ids.map((id) => [id, size(1000)]));
  allocator.setWeights(state, { gold: 3 });
  aFramework(state, 'f', [role('gold')]);
  aFramework(state, 'g', [role('tin')]);
  const got = allocate(state, ids, 0).map((one) => one.role);
  expect(got.filter((name) => name === 'gold')).toHaveLength(6);
});

it('lets sub-roles share what their parent has', () => {
  const ids = Array.from({ length: 8 }, (_, index) => agentId(`a${index}`));
  const state = aCluster(ids.map((id) => [id, size(1000)]));
  for (const name of ['eng/a', 'eng/b', 'sales']) aFramework(state, name.replace('/', '-'), [role(name)]);
  const got = allocate(state, ids, 0).map((one) => one.role);
  expect([got.filter((name) => name === 'sales').length, got.filter((name) => name === 'eng/a').length]).toEqual([4, 2]);
});

describe('a refused agent', () => {
  const refused = () => {
    const state = aCluster();
    const f = aFramework(state, 'f');
    const [first] = allocate(state, [A], 0);
    allocator.takeBack(state, first!, first!.resources);
    allocator.refuse(state, first!, first!.resources, 5000);
    return { state, f };
  };

  it('is not offered again before the filter ends, and is then', () => {
    const { state } = refused();
    expect(allocate(state, [A], 4999)).toEqual([]);
    expect(nextFilterEnd(state)).toBe(5000);
    expect(takeEndedFilters(state, 5000)).toEqual([A]);
    expect(allocate(state, [A], 5000)).toHaveLength(1);
  });

  it('is offered when it has more than was refused', () => {
    const { state } = refused();
    allocator.setAgent(state, { agentId: A, total: size(5000), active: true });
    expect(allocate(state, [A], 1)).toHaveLength(1);
  });

  it('is not offered when it has less', () => {
    const { state } = refused();
    allocator.use(state, { agentId: A, frameworkId: frameworkId('other'), role: ANY }, size(1000, 0));
    expect(allocate(state, [A], 1)).toEqual([]);
  });

  it('goes to the others meanwhile', () => {
    const { state } = refused();
    const g = aFramework(state, 'g');
    expect(allocate(state, [A], 1)[0]?.frameworkId).toBe(g);
  });

  it('is offered after a revive', () => {
    const { state, f } = refused();
    allocator.revive(state, f, [ANY]);
    expect(allocate(state, [A], 1)).toHaveLength(1);
  });
});

it('passes over suppressed roles until they are revived', () => {
  const state = aCluster();
  const f = aFramework(state, 'f');
  allocator.suppress(state, f, [ANY]);
  expect(allocate(state, [A], 0)).toEqual([]);
  allocator.revive(state, f, [ANY]);
  expect(allocate(state, [A], 0)).toHaveLength(1);
});

it('offers nothing smaller than 0.01 cpus and 32 MiB, and anything that has either', () => {
  expect([size(9, 31), size(10, 0), size(0, 32)].map((total) => allocateOne(total))).toEqual([0, 1, 1]);
  function allocateOne(total: Resources): number {
    const state = aCluster([[A, total]]);
    aFramework(state, 'f');
    return allocate(state, [A], 0).length;
  }
});

it('withholds agents with gpus from frameworks that do not ask for them', () => {
  const state = aCluster([[A, { ...size(4000), gpus: 1 }]]);
  aFramework(state, 'a-plain');
  expect(allocate(state, [A], 0)).toEqual([]);
  const g = aFramework(state, 'z-gpu', [ANY], true);
  expect(allocate(state, [A], 0)[0]?.frameworkId).toBe(g);
});

it('offers nothing on an agent that came back smaller than what is held there, whatever the quantity', () => {
  const total = { ...size(4000), ports: portsOf(1, 2, 3) };
  const state = aCluster([[A, total]]);
  const f = aFramework(state, 'f');
  allocator.use(state, { agentId: A, frameworkId: f, role: ANY }, { ...size(1000, 100), ports: portsOf(3) });
  allocator.setAgent(state, { agentId: A, total: { ...total, ports: portsOf(1, 2) }, active: true });
  expect(allocate(state, [A], 0)).toEqual([]);
  expect(allocator.deficitOf(state.agents.get(A)!)).toEqual({ ...NO_RESOURCES, ports: portsOf(3) });
});

it('forgets everything held on a removed agent', () => {
  const state = aCluster([
    [A, size(1000)],
    [B, size(1000)],
  ]);
  const f = aFramework(state, 'f');
  aFramework(state, 'g');
  allocator.use(state, { agentId: A, frameworkId: f, role: ANY }, size(1000));
  allocator.removeAgent(state, A);
  expect(allocate(state, [B], 0)[0]?.frameworkId).toBe(f);
});
