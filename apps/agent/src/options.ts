/** What an operator can say to an agent; `--help` prints this table. */
import { capabilityNamed } from '@ekiden/isolation';
import { defineOptions, OptionError, type OptionValues } from '@ekiden/service';
import { NO_PORTS, normalizePorts, type Attributes, type PortRanges } from '@ekiden/model';

export const agentOptions = defineOptions({
  master: {
    type: 'list',
    unit: 'urls',
    default: ['http://127.0.0.1:5050'],
    env: 'EKIDEN_MASTER',
    help: 'Masters to join, comma separated; any of them names the leader.',
  },
  port: { type: 'int', default: 5051, min: 0, max: 65535, env: 'EKIDEN_AGENT_PORT', help: 'Port of the agent’s own HTTP server.' },
  bind: {
    type: 'string',
    unit: 'ip',
    default: '127.0.0.1',
    env: 'EKIDEN_AGENT_BIND',
    help: 'Address to listen on; another one than loopback needs a token file.',
  },
  advertiseIp: { type: 'string', unit: 'ip', default: null, help: 'Address at which tasks are reached; default: the one bound.' },
  hostname: { type: 'string', default: null, env: 'EKIDEN_AGENT_HOSTNAME', help: 'Name in offers and in HOST; default: the advertised address.' },
  workDir: { type: 'string', unit: 'path', default: '.ekiden/agent', env: 'EKIDEN_AGENT_WORK_DIR', help: 'Checkpoints, sandboxes and logs of tasks.' },
  tokenFile: {
    type: 'string',
    unit: 'path',
    default: null,
    env: 'EKIDEN_AGENT_TOKEN_FILE',
    help: 'Tokens, one a line: the first joins the master, each opens this agent’s HTTP.',
  },
  cpus: { type: 'number', default: null, min: 0.001, max: 100_000, help: 'Cpus to offer; default: what the machine has.' },
  mem: { type: 'int', unit: 'MiB', default: null, min: 1, max: 1_000_000_000, help: 'Memory to offer; default: what the machine has, less a reserve.' },
  disk: {
    type: 'int',
    unit: 'MiB',
    default: null,
    min: 0,
    max: 1_000_000_000_000,
    help: 'Disk to offer; default: what is free below the work directory, less a reserve.',
  },
  ports: { type: 'string', unit: 'ranges', default: '31000-32000', help: 'Ports to offer, such as 31000-31499,31600-31999.' },
  attributes: { type: 'string', default: '', env: 'EKIDEN_AGENT_ATTRIBUTES', help: 'What constraints can ask for, such as rack:r1;zone:z.' },
  region: { type: 'string', default: null, help: 'Fault domain: region.' },
  zone: { type: 'string', default: null, help: 'Fault domain: zone.' },
  runtime: {
    type: 'string',
    choices: ['auto', 'process', 'cgroup'],
    default: 'auto',
    env: 'EKIDEN_AGENT_RUNTIME',
    help: 'How tasks are held: cgroup enforces limits and needs root on Linux.',
  },
  imageRuntime: {
    type: 'string',
    choices: ['auto', 'oci', 'docker', 'none'],
    default: 'auto',
    env: 'EKIDEN_AGENT_IMAGE_RUNTIME',
    help: 'Who runs images: oci (crun, else runc) where it works, else docker, a container engine’s socket.',
  },
  dockerSocket: {
    type: 'string',
    unit: 'path',
    default: null,
    env: 'DOCKER_HOST',
    help: 'Socket of a container engine, Docker’s or podman’s; default: where they usually have it.',
  },
  taskUser: { type: 'string', default: null, help: 'Run every task as this user unless it names an allowed one; default: as the agent.' },
  allowUser: { type: 'list', unit: 'users', default: [], help: 'Users that a task may name; * allows any.' },
  allowPrivileged: { type: 'boolean', default: false, help: 'Containers may be privileged, which makes their root the root of this machine.' },
  allowVolumes: { type: 'list', unit: 'paths', default: [], help: 'Directories below which containers may mount; none: host volumes are refused.' },
  insecureRegistries: {
    type: 'list',
    unit: 'registries',
    default: [],
    help: 'Registries without TLS, such as registry.lan:5000; those on loopback always are.',
  },
  imageAuthFile: { type: 'string', unit: 'path', default: null, help: 'Docker config.json with logins to registries, for tasks that fetch none of their own.' },
  imageMaxMib: { type: 'int', unit: 'MiB', default: 10_240, min: 1, max: 1_000_000, help: 'Largest image that is pulled.' },
  imageStallMs: { type: 'int', unit: 'ms', default: 60_000, min: 100, max: 86_400_000, help: 'How long a pull may go without a single byte.' },
  imageKeepHours: {
    type: 'number',
    unit: 'hours',
    default: 168,
    min: 0,
    max: 100_000,
    help: 'How long an image outlives its last use; less as the disk fills.',
  },
  cniConfigDir: {
    type: 'string',
    unit: 'path',
    default: null,
    help: 'Directory with configurations of CNI networks (.conflist, .conf), which containers join by name.',
  },
  cniPluginDirs: {
    type: 'list',
    unit: 'paths',
    default: [],
    help: 'Further directories of CNI plugins, before /usr/lib/cni, /opt/cni/bin and /usr/libexec/cni.',
  },
  bridgeSubnet: {
    type: 'string',
    unit: 'network',
    default: null,
    help: 'Network of the bridge of this agent, such as 10.44.0.0/22; default: a private one that this machine does not route.',
  },
  bridgeDns: {
    type: 'list',
    unit: 'addresses',
    default: [],
    help: 'Resolvers of containers on the bridge; default: those of the machine that are not on its loopback.',
  },
  taskCapabilities: {
    type: 'list',
    unit: 'names',
    default: null,
    help: 'Capabilities of tasks that run as root, such as CHOWN,SETUID, or all, or none; default: those that Docker leaves to root.',
  },
  allowCapabilities: { type: 'list', unit: 'names', default: [], help: 'Capabilities that a task may ask for; * allows any.' },
  allowNewPrivileges: { type: 'boolean', default: false, help: 'Let setuid programs such as sudo give tasks more rights.' },
  privateTmp: { type: 'boolean', default: false, help: 'Give every task a /tmp of its own, kept in its sandbox; needs root.' },
  diskPolicy: {
    type: 'string',
    choices: ['off', 'warn', 'kill'],
    default: 'warn',
    help: 'What happens to a task whose sandbox is larger than its disk at two looks in a row.',
  },
  diskCheckMs: { type: 'int', unit: 'ms', default: 30_000, min: 100, max: 86_400_000, help: 'Between two looks at a sandbox; more where a look takes long.' },
  softCpus: { type: 'boolean', default: false, help: 'Let tasks use idle cpus beyond what they asked for.' },
  fileFetchDirs: { type: 'list', unit: 'paths', default: [], help: 'Directories below which tasks may fetch file: URIs; none: such fetches are refused.' },
  fetchMaxMib: { type: 'int', unit: 'MiB', default: 2048, min: 1, max: 1_000_000, help: 'Largest artifact that is fetched.' },
  fetchCacheMib: { type: 'int', unit: 'MiB', default: 2048, min: 0, max: 10_000_000, help: 'Size of the cache of artifacts.' },
  fetchTimeoutMs: { type: 'int', unit: 'ms', default: 600_000, min: 1, max: 86_400_000, help: 'How long one artifact may take to download.' },
  fetchStallMs: { type: 'int', unit: 'ms', default: 60_000, min: 1, max: 86_400_000, help: 'How long a download may go without a single byte.' },
  fetchParallel: { type: 'int', default: 8, min: 1, max: 1000, help: 'Downloads at once; the others wait.' },
  killGraceMs: { type: 'int', unit: 'ms', default: 3000, min: 0, max: 86_400_000, help: 'Between SIGTERM and SIGKILL when neither kill nor task says so.' },
  logMaxMib: { type: 'int', unit: 'MiB', default: 10, min: 1, max: 100_000, help: 'Size at which a task’s stdout or stderr is rotated.' },
  logKeep: { type: 'int', unit: 'files', default: 4, min: 1, max: 100, help: 'Rotated logs that are kept, each of stdout and stderr.' },
  sandboxKeepHours: {
    type: 'number',
    unit: 'hours',
    default: 168,
    min: 0,
    max: 100_000,
    help: 'How long a sandbox outlives its task; less as the disk fills.',
  },
  logLevel: {
    type: 'string',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    env: 'EKIDEN_LOG_LEVEL',
    help: 'The least important events that are logged.',
  },
});

export type AgentOptions = OptionValues<typeof agentOptions>;

/** At least one, each a scheme and an authority. Throws `OptionError`. */
export function checkMasters(masters: readonly string[]): readonly string[] {
  if (masters.length === 0) throw new OptionError('--master names no master: give at least one, such as http://127.0.0.1:5050');
  for (const master of masters) {
    if (!/^https?:\/\/[^/?#\s]+\/?$/.test(master) || !URL.canParse(master))
      throw new OptionError(`--master has "${master}", but has to be URLs such as http://127.0.0.1:5050`);
  }
  return masters;
}

/** Names of capabilities, or one of the words that stand for sets. Throws `OptionError`. */
export function parseCapabilities(option: string, names: readonly string[], ...words: readonly string[]): readonly string[] {
  return names.map((name) => {
    const found = words.includes(name) ? name : capabilityNamed(name);
    if (found === null) throw new OptionError(`${option} has "${name}", but has to be ${[...words, 'names such as NET_BIND_SERVICE'].join(' or ')}`);
    return found;
  });
}

/** `31000-31499,31600` → ranges. Throws `OptionError`. */
export function parsePorts(text: string): PortRanges {
  if (text.trim() === '') return NO_PORTS;
  return normalizePorts(
    text.split(',').map((piece) => {
      const match = /^\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*$/.exec(piece);
      const begin = Number(match?.[1]);
      const end = Number(match?.[2] ?? match?.[1]);
      if (!match || begin < 1 || end > 65535 || begin > end) throw new OptionError(`--ports has "${piece}", but has to be ranges such as 31000-31499,31600`);
      return { begin, end };
    }),
  );
}

/** `rack:r1;zone:z` → attributes. Throws `OptionError`. */
export function parseAttributes(text: string): Attributes {
  const attributes: Record<string, string> = {};
  for (const piece of text.split(';').filter((part) => part.trim() !== '')) {
    const colon = piece.indexOf(':');
    const name = piece.slice(0, colon).trim();
    if (colon <= 0 || name === '') throw new OptionError(`--attributes has "${piece}", but has to be name:value pairs such as rack:r1;zone:z`);
    if (Object.hasOwn(attributes, name)) throw new OptionError(`--attributes names "${name}" twice`);
    attributes[name] = piece.slice(colon + 1).trim();
  }
  return attributes;
}
