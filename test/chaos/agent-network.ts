/**
 * The network of one agent: a namespace with two cables, one to the master and one to everybody who wants its services.
 *
 *   our network ── ctl0 198.18.1.1 ═══ ctl1 198.18.1.2 ── the agent's link to the master (198.18.0.1 is ours, on lo)
 *               └─ dat0 198.18.2.1 ═══ dat1 198.18.2.2 ── its tasks' ports, its HTTP
 *
 * So the agent is cut off while its services go on serving. 198.18.0.0/15 is set aside for tests of networks (RFC 2544);
 * nothing of it leaves the machine of the run, which has no cable to anywhere.
 */
import { execFileSync } from 'node:child_process';

export const MASTER_ADDRESS = '198.18.0.1';
const NAME = 'chaos-agent';
/** Small enough that pings come late and a registration takes seconds. */
const SLOW_RATE = '16kbit';

export type NetworkFault = 'link-down' | 'nothing-to-agent' | 'nothing-to-master' | 'slow';
export const NETWORK_FAULTS: readonly NetworkFault[] = ['link-down', 'nothing-to-agent', 'nothing-to-master', 'slow'];

const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
const inside = (...args: readonly string[]): void => ip('-n', NAME, ...args);

export class AgentNetwork {
  readonly address = '198.18.2.2';
  /** What goes in front of a command that is to run in there. By nsenter: `ip netns exec` would hide the control groups. */
  readonly prefix: readonly string[] = ['nsenter', `--net=/run/netns/${NAME}`, '--'];
  private fault: NetworkFault | null = null;

  static make(): AgentNetwork {
    const network = new AgentNetwork();
    ip('addr', 'add', `${MASTER_ADDRESS}/32`, 'dev', 'lo');
    ip('netns', 'add', NAME);
    inside('link', 'set', 'lo', 'up');
    for (const [cable, net] of [
      ['ctl', '198.18.1'],
      ['dat', '198.18.2'],
    ] as const) {
      ip('link', 'add', `${cable}0`, 'type', 'veth', 'peer', 'name', `${cable}1`);
      ip('link', 'set', `${cable}1`, 'netns', NAME);
      ip('addr', 'add', `${net}.1/24`, 'dev', `${cable}0`);
      ip('link', 'set', `${cable}0`, 'up');
      inside('addr', 'add', `${net}.2/24`, 'dev', `${cable}1`);
      inside('link', 'set', `${cable}1`, 'up');
    }
    inside('route', 'add', `${MASTER_ADDRESS}/32`, 'via', '198.18.1.1', 'src', '198.18.1.2');
    return network;
  }

  disturb(fault: NetworkFault): void {
    this.heal();
    this.fault = fault;
    switch (fault) {
      case 'link-down':
        return ip('link', 'set', 'ctl0', 'down');
      case 'nothing-to-agent':
        return ip('route', 'add', 'blackhole', '198.18.1.2/32');
      case 'nothing-to-master':
        return inside('route', 'replace', 'blackhole', `${MASTER_ADDRESS}/32`);
      case 'slow':
        execFileSync('tc', ['qdisc', 'add', 'dev', 'ctl0', 'root', 'tbf', 'rate', SLOW_RATE, 'burst', '1600', 'latency', '5s'], { stdio: 'ignore' });
    }
  }

  heal(): void {
    const { fault } = this;
    this.fault = null;
    switch (fault) {
      case null:
        return;
      case 'link-down':
        return ip('link', 'set', 'ctl0', 'up');
      case 'nothing-to-agent':
        return ip('route', 'del', 'blackhole', '198.18.1.2/32');
      case 'nothing-to-master':
        inside('route', 'del', 'blackhole', `${MASTER_ADDRESS}/32`);
        return inside('route', 'replace', `${MASTER_ADDRESS}/32`, 'via', '198.18.1.1', 'src', '198.18.1.2');
      case 'slow':
        execFileSync('tc', ['qdisc', 'del', 'dev', 'ctl0', 'root'], { stdio: 'ignore' });
    }
  }

  /** Its processes have ended. */
  remove(): void {
    this.heal();
    ip('netns', 'del', NAME);
    ip('addr', 'del', `${MASTER_ADDRESS}/32`, 'dev', 'lo');
  }
}
