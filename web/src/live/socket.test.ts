// Against a real WebSocket server, with short waits of the client's own clock.
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { type WebSocket as Peer, WebSocket, WebSocketServer } from 'ws';
import { EventSocket, type Frame, type Handlers } from './socket';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const f of cleanups.splice(0).reverse()) f();
});

interface Asked {
  peer: Peer;
  subscribe: { patients: string[]; since?: string };
}

async function serve() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((ok) => server.once('listening', ok));
  const asked: Asked[] = [];
  server.on('connection', (peer) =>
    peer.on('message', (m) => asked.push({ peer, subscribe: JSON.parse(String(m)).subscribe })),
  );
  cleanups.push(() => {
    for (const c of server.clients) c.terminate();
    server.close();
  });
  return { asked, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function listen(url: string, skew = { ms: 0 }) {
  const frames: Frame[] = [];
  const on: Handlers = { frame: (f) => frames.push(f), time: vi.fn(), fresh: vi.fn(), link: vi.fn() };
  const socket = new EventSocket(url, on, {
    open: (u) => new WebSocket(u) as unknown as globalThis.WebSocket,
    now: () => performance.now() + skew.ms,
    random: () => 0,
  });
  cleanups.push(() => socket.close());
  socket.subscribe({ patients: ['p1'], subjects: [] });
  return { socket, frames, on };
}

const say = (a: Asked, f: object) => a.peer.send(JSON.stringify({ time: new Date().toISOString(), ...f }));
const heartbeat = { type: 'heartbeat' };

test('resumes behind the newest cursor after the link broke', async () => {
  const { asked, url } = await serve();
  const { frames } = listen(url);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  expect(asked[0]?.subscribe.since).toBeUndefined();
  say(asked[0] as Asked, { ...heartbeat, cursor: 'c1' });
  say(asked[0] as Asked, { ...heartbeat, cursor: 'c2' });
  await vi.waitFor(() => expect(frames).toHaveLength(2));
  asked[0]?.peer.terminate();
  await vi.waitFor(() => expect(asked).toHaveLength(2), 3000);
  expect(asked[1]?.subscribe).toEqual({ patients: ['p1'], subjects: [], since: 'c2' });
});

test('4008 means: fetch anew and come back without a cursor', async () => {
  const { asked, url } = await serve();
  const { on, frames } = listen(url);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  say(asked[0] as Asked, { ...heartbeat, cursor: 'c1' });
  await vi.waitFor(() => expect(frames).toHaveLength(1));
  asked[0]?.peer.close(4008);
  await vi.waitFor(() => expect(asked).toHaveLength(2), 3000);
  expect(on.fresh).toHaveBeenCalledTimes(1);
  expect(asked[1]?.subscribe.since).toBeUndefined();
});

test('a link on which nothing comes is stale, then given up, and never looks live', async () => {
  const { asked, url } = await serve();
  const skew = { ms: 0 };
  const { socket, on } = listen(url, skew);
  expect(socket.phase()).toBe('connecting');
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  say(asked[0] as Asked, { ...heartbeat, cursor: 'c1' });
  await vi.waitFor(() => expect(socket.phase()).toBe('live'));
  skew.ms += 3100; // the server says nothing for 3 s; the TCP link stands
  expect(socket.phase()).toBe('stale');
  await vi.waitFor(() => expect(asked).toHaveLength(2), 3000);
  expect(on.link).toHaveBeenCalled();
  skew.ms += 12_500;
  expect(socket.phase()).toBe('offline');
  say(asked[1] as Asked, heartbeat);
  await vi.waitFor(() => expect(socket.phase()).toBe('live'));
});

test('a server that was never reached is offline, not live', async () => {
  const skew = { ms: 0 };
  const { socket } = listen('ws://127.0.0.1:1', skew);
  skew.ms += 3100;
  expect(socket.phase()).toBe('offline');
});

test('a changed set is sent at once on the same link', async () => {
  const { asked, url } = await serve();
  const { socket } = listen(url);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  socket.subscribe({ patients: ['p2'], subjects: ['location/l1'] });
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]?.peer).toBe(asked[0]?.peer);
});
