// Servers that the end-to-end checks own: started, killed and stopped by
// process, on free ports of the loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

async function freePort() {
  const s = createServer().listen(0, '127.0.0.1');
  await once(s, 'listening');
  const { port } = s.address();
  s.close();
  await once(s, 'close');
  return port;
}

async function run(bin, args, url) {
  const child = spawn(bin, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (d) => {
    said = (said + d).slice(-4000);
  });
  for (let i = 0; i < 240; i++) {
    if (child.exitCode !== null)
      throw new Error(`${bin} ${args.join(' ')} ended with ${child.exitCode}: ${said}`);
    const ok = await fetch(`${url}/readyz`).then(
      (r) => r.ok,
      () => false,
    );
    if (ok) return child;
    await new Promise((r) => setTimeout(r, 250));
  }
  child.kill('SIGKILL');
  throw new Error(`${bin} was not ready after a minute: ${said}`);
}

async function end(child, signal) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

/** The demo, which can be killed and started again on the same address. */
export async function demo(bin) {
  const [http, mqtt] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${http}`;
  const args = ['demo', '--http', `127.0.0.1:${http}`, '--mqtt', `127.0.0.1:${mqtt}`];
  let child = await run(bin, args, url);
  return {
    url,
    kill: () => end(child, 'SIGKILL'),
    start: async () => {
      child = await run(bin, args, url);
    },
    stop: () => end(child, 'SIGTERM'),
  };
}

/** A server with nothing in it. */
export async function empty(bin) {
  const [http, mqtt] = [await freePort(), await freePort()];
  const data = mkdtempSync(join(tmpdir(), 'vigil-e2e-'));
  const url = `http://127.0.0.1:${http}`;
  const child = await run(
    bin,
    ['serve', '--data', data, '--http', `127.0.0.1:${http}`, '--mqtt', `127.0.0.1:${mqtt}`],
    url,
  );
  return {
    url,
    stop: async () => {
      await end(child, 'SIGTERM');
      rmSync(data, { recursive: true, force: true });
    },
  };
}
