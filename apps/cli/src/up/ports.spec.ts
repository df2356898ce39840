import { createServer } from 'node:net';
import { claimBlocks, freePort, parseListeners, portRefusal, probePort } from './ports.js';

describe('ports', () => {
  it('tells a free port from a used one', async () => {
    const port = await freePort();
    expect(await probePort('127.0.0.1', port)).toBeNull();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    expect(await probePort('127.0.0.1', port)).toBe('EADDRINUSE');
    server.close();
  });

  it('says which port is taken, how to change it and how to find who has it', () => {
    const error = portRefusal('127.0.0.1', 8080, '--api-port', 'EADDRINUSE');
    expect(error.message).toBe('port 8080 on 127.0.0.1 is in use');
    expect(error.hint).toMatch(/--api-port.*8080/);
  });

  it('reads listeners from the kernel table', () => {
    expect(parseListeners('  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A x\n   1: 0100007F:1F91 0100007F:0016 01 x\n')).toEqual([
      8080,
    ]);
  });

  it('never gives one block of task ports to two', async () => {
    const one = await claimBlocks(2, []);
    const two = await claimBlocks(2, []);
    if (process.platform === 'linux') expect(new Set([...one.blocks, ...two.blocks]).size).toBe(4);
    one.release();
    two.release();
  });
});
