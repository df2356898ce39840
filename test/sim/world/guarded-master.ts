/** A master of the simulator: its streams and links are ports like its store, and one that dies at a call of them answers nobody. */
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { VirtualProcess } from './virtual-process.js';

export function withGuardedWires(process: VirtualProcess, core: Master): Master {
  return {
    start: () => core.start(),
    stop: () => core.stop(),
    get isLeading() {
      return core.isLeading;
    },
    subscribe: (call, sink) => core.subscribe(call, process.guard('stream', sink)),
    disconnected: (streamId) => core.disconnected(streamId),
    call: (streamId, call) => {
      const answer = core.call(streamId, call);
      return process.isAlive ? answer : { status: 0, text: 'connection reset' };
    },
    agentConnected: (link) => core.agentConnected(process.guard('link', link)),
    state: core.state,
  };
}
