import { agentCommand, apiCommand, masterCommand, type Surroundings } from './part-commands.js';
import { checkUpOptions, type UpOptions } from './up-options.js';

const options: UpOptions = {
  agents: 2,
  agentCpus: 4,
  agentMem: null,
  agentAttributes: ['rack:a', 'rack:b'],
  apiPort: 8080,
  masterPort: 5050,
  agentPort: 5051,
  bind: '127.0.0.1',
  dataDir: '.ekiden',
  keepTasks: false,
  tokenFile: null,
  runtime: 'process',
};
const around: Surroundings = { home: '/home', env: { PATH: '/bin', DATABASE_URL: 'old' }, databaseUrl: 'postgres://secret', joinTokenFile: '/t/join' };
const place = { index: 2, hostname: '127.0.0.2', ip: '127.0.0.2', port: 5051, taskPorts: { begin: 32000, end: 32999 } };

describe('what is run for each part', () => {
  it('never puts a secret into the arguments', () => {
    for (const command of [masterCommand(options, around), apiCommand(options, around), agentCommand(options, around, place, '/w')])
      expect(command.args.join(' ')).not.toContain('secret');
    expect(masterCommand(options, around).env.DATABASE_URL).toBe('postgres://secret');
  });

  it('gives an agent its place, and no database', () => {
    const command = agentCommand(options, around, place, '/w');
    expect(command.args.join(' ')).toBe(
      '--master http://127.0.0.1:5050 --port 5051 --bind 127.0.0.2 --hostname 127.0.0.2 --work-dir /w --ports 32000-32999 --token-file /t/join --cpus 4 --attributes rack:b --runtime process',
    );
    expect(command.env).toEqual({ PATH: '/bin' });
  });

  it('refuses to open the API to others without a token', () => {
    expect(() => checkUpOptions({ ...options, bind: '0.0.0.0' })).toThrow('--bind 0.0.0.0 lets others in');
    expect(() => checkUpOptions({ ...options, bind: '0.0.0.0', tokenFile: '/t' })).not.toThrow();
    expect(() => checkUpOptions({ ...options, masterPort: 8080 })).toThrow('are both 8080');
  });
});
