/**
 * The options of `docker run` that an app may give in `docker.parameters`: one table of what each means, and why others are refused.
 *
 * Pure, and the same for who checks an app and for who runs it. Names are Docker's long ones without dashes, or its short ones. What loosens
 * rights (`cap-add`) is settled by the agent, whose operator says what a task may have.
 */
export interface DockerParameter {
  readonly key: string;
  readonly value: string;
}

export interface ResourceLimit {
  /** `nofile`, `nproc` … */
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface TmpfsMount {
  readonly path: string;
  readonly sizeBytes: number | null;
  /** Octal digits; null: 1777. */
  readonly mode: string | null;
  readonly isReadOnly: boolean;
  readonly isExecutable: boolean;
}

/** What all parameters together ask for; each is empty, null or false when nothing asks. */
export interface DockerOptions {
  readonly capAdd: readonly string[];
  /** `ALL`: every one. */
  readonly capDrop: readonly string[];
  readonly hostname: string | null;
  readonly hosts: readonly { readonly name: string; readonly address: string }[];
  readonly nameservers: readonly string[];
  readonly searchDomains: readonly string[];
  readonly resolverOptions: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly limits: readonly ResourceLimit[];
  readonly workingDirectory: string | null;
  /** As an image names one. */
  readonly user: string | null;
  readonly groups: readonly number[];
  readonly entrypoint: string | null;
  readonly stopSignal: string | null;
  readonly shmBytes: number | null;
  readonly isReadOnly: boolean;
  readonly tmpfs: readonly TmpfsMount[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly noNewPrivs: boolean;
}

export const NO_DOCKER_OPTIONS: DockerOptions = {
  ...{ capAdd: [], capDrop: [], hostname: null, hosts: [], nameservers: [], searchDomains: [], resolverOptions: [], env: {}, limits: [] },
  ...{ workingDirectory: null, user: null, groups: [], entrypoint: null, stopSignal: null, shmBytes: null, isReadOnly: false, tmpfs: [] },
  ...{ sysctls: {}, noNewPrivs: false },
};

export interface ReadParameters {
  readonly options: DockerOptions;
  readonly refusals: readonly { readonly index: number; readonly why: string }[];
  /** Names of those that change nothing here. */
  readonly ignored: readonly string[];
}

/** A value that is wrong: says what it has to be. */
class WrongValue extends Error {}

type Change = (options: DockerOptions, value: string) => Partial<DockerOptions>;

const LIMIT_NAMES = 'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' ');
const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/;
const ADDRESS = /^[0-9a-fA-F.:]{2,45}$/;
const CAPABILITY = /^[A-Z_]{2,64}$/;
/** Those of a container's own namespaces, as Docker allows them. */
const SYSCTL = /^(net\.[a-zA-Z0-9_.-]+|fs\.mqueue\.[a-z_]+|kernel\.(msg(max|mnb|mni)|sem|shm(all|max|mni|_rmid_forced)))$/;

const wrong = (what: string): never => {
  throw new WrongValue(`has to be ${what}`);
};
const matching = (value: string, pattern: RegExp, what: string): string => (pattern.test(value) ? value : wrong(what));
const isTrue = (value: string): boolean => (value === 'true' || value === '' ? true : value === 'false' ? false : wrong('true or false'));
const capability = (value: string): string => matching(value.toUpperCase().replace(/^CAP_/, ''), CAPABILITY, 'a capability such as NET_ADMIN');

function bytes(value: string): number {
  const match = /^(\d{1,12})([bkmg]?)b?$/i.exec(value);
  const count = Number(match?.[1]) * (UNITS[(match?.[2] ?? '').toLowerCase()] ?? 1);
  return match !== null && count > 0 ? count : wrong('a size such as 256m');
}

function absolute(value: string): string {
  return value.startsWith('/') && !value.includes('\0') && !value.split('/').includes('..') ? value : wrong('an absolute path without ".."');
}

/** `NAME=VALUE`. */
function assignment(value: string): readonly [string, string] {
  const at = value.indexOf('=');
  return at > 0 && !value.includes('\0') ? [value.slice(0, at), value.slice(at + 1)] : wrong('NAME=VALUE');
}

function limit(value: string): ResourceLimit {
  const match = /^([a-z]+)=(-1|\d{1,15})(?::(-1|\d{1,15}))?$/.exec(value);
  if (match === null || !LIMIT_NAMES.includes(match[1] ?? '')) return wrong('LIMIT=SOFT[:HARD], such as nofile=1024:4096');
  const [, name = '', soft, hard = soft] = match;
  const amount = (text: string | undefined): number => (text === '-1' ? Number.MAX_SAFE_INTEGER : Number(text));
  return amount(soft) <= amount(hard) ? { name, soft: amount(soft), hard: amount(hard) } : wrong('a soft limit that is not above the hard one');
}

function tmpfs(value: string): TmpfsMount {
  const [path = '', words = ''] = value.split(/:(.*)/s, 2);
  let mount: TmpfsMount = { path: absolute(path), sizeBytes: null, mode: null, isReadOnly: false, isExecutable: false };
  for (const word of words.split(',').filter((each) => each !== '')) {
    const [name = '', amount = ''] = word.split('=', 2);
    if (name === 'size') mount = { ...mount, sizeBytes: bytes(amount) };
    else if (name === 'mode') mount = { ...mount, mode: matching(amount, /^[0-7]{3,4}$/, 'PATH:mode=1777 with an octal mode') };
    else if (name === 'ro' || name === 'rw') mount = { ...mount, isReadOnly: name === 'ro' };
    else if (name === 'exec' || name === 'noexec') mount = { ...mount, isExecutable: name === 'exec' };
    else if (name !== 'nosuid' && name !== 'nodev') wrong('PATH[:size=…,mode=…,ro,exec]');
  }
  return mount;
}

function host(value: string): DockerOptions['hosts'][number] {
  const [name = '', address = ''] = value.split(/:(.*)/s, 2);
  if (!HOST_NAME.test(name) || !ADDRESS.test(address)) return wrong('NAME:ADDRESS, such as db:10.0.0.7');
  return { name, address };
}

const TABLE: Readonly<Record<string, Change>> = {
  'cap-add': ({ capAdd }, value) => ({
    capAdd: [...capAdd, capability(value) === 'ALL' ? wrong('one capability: ALL is docker.privileged') : capability(value)],
  }),
  'cap-drop': ({ capDrop }, value) => ({ capDrop: [...capDrop, capability(value)] }),
  hostname: (_, value) => ({ hostname: matching(value, HOST_NAME, 'a host name') }),
  'add-host': ({ hosts }, value) => ({ hosts: [...hosts, host(value)] }),
  dns: ({ nameservers }, value) => ({ nameservers: [...nameservers, matching(value, ADDRESS, 'an address')] }),
  'dns-search': ({ searchDomains }, value) => ({ searchDomains: [...searchDomains, matching(value, /^[A-Za-z0-9._-]{1,255}$/, 'a domain')] }),
  'dns-option': ({ resolverOptions }, value) => ({
    resolverOptions: [...resolverOptions, matching(value, /^[A-Za-z0-9:_-]{1,64}$/, 'an option such as ndots:2')],
  }),
  env: ({ env }, value) => ({ env: { ...env, ...Object.fromEntries([assignment(value)]) } }),
  ulimit: ({ limits }, value) => ({ limits: [...limits.filter(({ name }) => name !== limit(value).name), limit(value)] }),
  workdir: (_, value) => ({ workingDirectory: absolute(value) }),
  user: (_, value) => ({ user: matching(value, /^[A-Za-z0-9_.-]{1,64}(:[A-Za-z0-9_.-]{1,64})?$/, 'USER or USER:GROUP') }),
  'group-add': ({ groups }, value) => ({ groups: [...groups, Number(matching(value, /^\d{1,9}$/, 'the number of a group'))] }),
  entrypoint: (_, value) => ({ entrypoint: value === '' ? wrong('a program') : value }),
  'stop-signal': (_, value) => ({ stopSignal: matching(value, /^[A-Za-z0-9+]{1,16}$/, 'a signal such as SIGQUIT') }),
  'shm-size': (_, value) => ({ shmBytes: bytes(value) }),
  'read-only': (_, value) => ({ isReadOnly: isTrue(value) }),
  tmpfs: (options, value) => ({ tmpfs: [...options.tmpfs, tmpfs(value)] }),
  sysctl: ({ sysctls }, value) => {
    const [name, text] = assignment(value);
    return { sysctls: { ...sysctls, [matching(name, SYSCTL, 'one of the container’s own: net.*, fs.mqueue.*, kernel.shm*, kernel.msg*, kernel.sem')]: text } };
  },
  'security-opt': (_, value) => (/^no-new-privileges([:=]true)?$/.test(value) ? { noNewPrivs: true } : wrong('no-new-privileges')),
  // There is one anyway.
  init: (_, value) => (isTrue(value) ? {} : wrong('true: containers always have an init')),
};

const ALIASES: Readonly<Record<string, string>> = { h: 'hostname', e: 'env', w: 'workdir', u: 'user', 'dns-opt': 'dns-option' };

/** What Docker would only remember or do anyway. */
const WITHOUT_EFFECT = ['rm', 'name', 'label', 'l', 'detach', 'd'];

const INSTEAD: Readonly<Record<string, string>> = {
  ...{ volume: 'use container.volumes', v: 'use container.volumes', mount: 'use container.volumes', device: 'devices are not given to containers' },
  ...{ publish: 'use container.portMappings', p: 'use container.portMappings', net: 'use networks', network: 'use networks' },
  ...{
    'net-alias': 'use the task’s address, or a balancer',
    'network-alias': 'use the task’s address, or a balancer',
    link: 'use the task’s address, or a balancer',
  },
  ...{ memory: 'use mem and resourceLimits', m: 'use mem and resourceLimits', cpus: 'use cpus and resourceLimits', 'cpu-shares': 'use cpus' },
  ...{
    'log-driver': 'logs are kept in the sandbox',
    'log-opt': 'logs are kept in the sandbox',
    privileged: 'use docker.privileged',
    restart: 'the app is restarted anyway',
  },
};

export const DOCKER_PARAMETERS: readonly string[] = Object.keys(TABLE).sort();

export function readDockerParameters(parameters: readonly DockerParameter[]): ReadParameters {
  let options = NO_DOCKER_OPTIONS;
  const refusals: { index: number; why: string }[] = [];
  const ignored: string[] = [];
  for (const [index, { key, value }] of parameters.entries()) {
    const name = ALIASES[key] ?? key;
    const change = Object.hasOwn(TABLE, name) ? TABLE[name] : undefined;
    if (WITHOUT_EFFECT.includes(key)) ignored.push(key);
    else if (change === undefined) refusals.push({ index, why: `the parameter "${key}" is not supported: ${instead(key)}` });
    else {
      try {
        options = { ...options, ...change(options, value) };
      } catch (error) {
        if (!(error instanceof WrongValue)) throw error;
        refusals.push({ index, why: `the parameter "${key}" ${error.message}; it is "${value.slice(0, 100)}"` });
      }
    }
  }
  return { options, refusals, ignored };
}

const instead = (key: string): string => (Object.hasOwn(INSTEAD, key) ? (INSTEAD[key] ?? '') : `supported are ${DOCKER_PARAMETERS.join(', ')}`);
