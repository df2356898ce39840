import { loopbackOf } from './check-runner.js';

it('asks a task over loopback where it listens: several agents on one machine have a loopback address each', () => {
  expect([loopbackOf('10.0.0.7'), loopbackOf('127.0.0.1'), loopbackOf('127.0.0.2')]).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.2']);
});
