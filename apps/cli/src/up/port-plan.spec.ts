import { candidateBlocks, MAX_AGENTS, planAgents } from './port-plan.js';

describe('the places of local agents', () => {
  it('gives each agent a loopback address and a block of task ports of its own', () => {
    const places = planAgents({ agents: 2, agentPort: 5051, manyLoopbacks: true, blocks: [31000, 32000] });
    expect(places).toEqual([
      { index: 1, hostname: '127.0.0.1', ip: '127.0.0.1', port: 5051, taskPorts: { begin: 31000, end: 31999 } },
      { index: 2, hostname: '127.0.0.2', ip: '127.0.0.2', port: 5051, taskPorts: { begin: 32000, end: 32999 } },
    ]);
  });

  it('goes to the next port, under another name, where the system has one loopback address', () => {
    const places = planAgents({ agents: 2, agentPort: 5051, manyLoopbacks: false, blocks: [31000, 32000] });
    expect(places.map((place) => `${place.hostname} ${place.ip}:${place.port}`)).toEqual(['127.0.0.1 127.0.0.1:5051', 'agent-2.localhost 127.0.0.1:5052']);
  });

  it('never hands out a port above 65535', () => {
    const blocks = candidateBlocks([], new Set(), null);
    expect(blocks).toHaveLength(MAX_AGENTS);
    expect(planAgents({ agents: MAX_AGENTS, agentPort: 1, manyLoopbacks: true, blocks }).at(-1)?.taskPorts.end).toBeLessThanOrEqual(65_535);
  });

  it('keeps the blocks it had, although its own tasks listen there, and avoids those of others', () => {
    expect(candidateBlocks([33000], new Set([33001, 31999]), null).slice(0, 3)).toEqual([33000, 32000, 34000]);
  });

  it('prefers blocks from which no outgoing connection takes a port', () => {
    const ephemeral = { first: 32_768, last: 60_999 };
    expect(candidateBlocks([], new Set(), ephemeral).slice(0, 6)).toEqual([31000, 61000, 62000, 63000, 64000, 32000]);
    expect(candidateBlocks([40000], new Set([31000]), ephemeral).slice(0, 2)).toEqual([40000, 61000]);
  });

  it('ignores saved blocks that are none', () => {
    expect(candidateBlocks([31001, 99000], new Set(), null)[0]).toBe(31000);
  });
});
