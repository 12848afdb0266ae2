// A development tool: speaks the server's contract (/api/v1, /ws/events,
// /ws/waves) with synthetic people, so that every state of the screens can be
// looked at without a server. It is never part of a build or a release.
//
//   npm run build && npm run mock -- --scene ward --port 8090
//
// Scenes: ward (24 beds, 12 homes), storm (many silent and odd), many (200
// beds), empty. The pages come from dist/.
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { answers } from './mock-api.mjs';
import { hospital } from './mock-hospital.mjs';
import { waveform } from './mock-waves.mjs';

const { values: flags } = parseArgs({
  options: { scene: { type: 'string', default: 'ward' }, port: { type: 'string', default: '8090' } },
});
const h = hospital(flags.scene);
const dist = new URL('../dist/', import.meta.url).pathname;
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.png': 'image/png',
};

function page(url, res) {
  const entry =
    url === '/me' || url.startsWith('/me/')
      ? 'me.html'
      : url.startsWith('/app')
        ? 'app.html'
        : url === '/wall'
          ? 'wall.html'
          : normalize(url);
  const file = join(dist, entry);
  if (!file.startsWith(dist) || !existsSync(file) || file.endsWith('/')) return res.writeHead(404).end();
  res.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream');
  res.setHeader(
    'content-security-policy',
    "default-src 'self'; style-src 'self' 'nonce-dev'; img-src 'self' data:",
  );
  if (file.endsWith('.html')) return res.end(readFileSync(file, 'utf8').replaceAll('__CSP_NONCE__', 'dev'));
  createReadStream(file).pipe(res);
}

const server = createServer((req, res) => {
  const url = new URL(req.url, 'http://x');
  if (url.pathname === '/') return res.writeHead(302, { location: '/wall' }).end();
  if (!url.pathname.startsWith('/api/v1/')) return page(url.pathname, res);
  const chunks = [];
  req.on('data', (c) => chunks.push(c));
  req.on('end', () => {
    const [status, body] = answers(h, req.method, url, Buffer.concat(chunks).toString());
    res.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
    res.end(JSON.stringify(body));
  });
});

const events = new WebSocketServer({ noServer: true });
const waves = new WebSocketServer({ noServer: true });
server.on('upgrade', (req, socket, head) => {
  const wss = { '/ws/events': events, '/ws/waves': waves }[req.url];
  if (!wss) return socket.destroy();
  wss.handleUpgrade(req, socket, head, (ws) => wss.emit('connection', ws));
});

const clients = new Set();
let cursor = 0;
const now = () => new Date().toISOString();
const send = (ws, o) => ws.send(JSON.stringify({ cursor: String(cursor), time: now(), ...o }));
const wants = (c, subject) => c.all || c.subjects.has(subject);

events.on('connection', (ws) => {
  const c = { ws, subjects: new Set(), all: false };
  ws.on('message', (m) => {
    const { subscribe } = JSON.parse(m);
    c.all = subscribe.all === true;
    c.subjects = new Set([
      ...(subscribe.patients ?? []).map((p) => `patient/${p}`),
      ...(subscribe.subjects ?? []),
    ]);
    clients.add(c);
    send(ws, {
      type: 'snapshot',
      data: {
        readings: h.latest().filter((r) => wants(c, r.subject)),
        states: h.silent().filter((s) => wants(c, s.subject)),
      },
    });
  });
  ws.on('close', () => clients.delete(c));
});

setInterval(() => {
  cursor++;
  const { readings, states, events: happened } = h.tick(Date.now());
  for (const c of clients) {
    const mine = readings.filter((r) => wants(c, r.subject));
    if (mine.length) send(c.ws, { type: 'readings', data: mine });
    for (const s of states)
      if (wants(c, s.subject)) send(c.ws, { type: 'state', subject: s.subject, data: s });
    for (const e of happened)
      if (wants(c, e.subject)) send(c.ws, { type: 'event', subject: e.subject, data: e });
  }
}, 250);
setInterval(() => {
  for (const c of clients) send(c.ws, { type: 'heartbeat' });
}, 1000);

waves.on('connection', (ws) => {
  let channels = [];
  ws.on('message', (m) => {
    const ids = JSON.parse(m).subscribe.series ?? [];
    channels = ids
      .map((id) => h.waveSeries(id))
      .filter(Boolean)
      .map((s, i) => ({ s, channel: i + 1, seq: 0, t: Math.floor(Date.now() / 250) * 250 - 250 }));
    ws.send(
      JSON.stringify({
        channels: channels.map(({ s, channel }) => ({
          channel,
          series: s.id,
          subject: s.subject,
          metric: s.metric.name,
          title: s.metric.title,
          rateNum: s.metric.rateNum,
          rateDen: s.metric.rateDen,
          unit: s.metric.unit,
        })),
      }),
    );
  });
  const timer = setInterval(() => {
    const blocks = [];
    for (const c of channels) {
      if (h.cut(c.s)) continue;
      while (c.t + 250 <= Date.now()) {
        blocks.push(block(c));
        c.t += 250;
      }
    }
    if (blocks.length) ws.send(Buffer.concat(blocks));
  }, 125);
  ws.on('close', () => clearInterval(timer));
});

/** One block of the wave contract: 32 bytes of header, samples, padding to 8. */
function block(c) {
  const rate = c.s.metric.rateNum / c.s.metric.rateDen;
  const n = Math.round(rate / 4);
  const b = Buffer.alloc((32 + n * 2 + 7) & ~7);
  b.writeUInt8(1, 0);
  b.writeUInt8(1, 1);
  b.writeUInt16LE(c.channel, 2);
  b.writeUInt32LE(c.seq++, 4);
  b.writeDoubleLE(c.t, 8);
  b.writeUInt32LE(Math.round(rate * 1000), 16);
  b.writeUInt16LE(n, 20);
  b.writeFloatLE(0.001, 24);
  b.writeFloatLE(0, 28);
  for (let i = 0; i < n; i++) {
    const v = waveform(c.s.metric.name, c.s.id, (c.t + (i * 1000) / rate) / 1000, h.rates(c.s.subject));
    b.writeInt16LE(Math.round(v * 1000), 32 + i * 2);
  }
  return b;
}

server.listen(Number(flags.port), '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${server.address().port}/wall (${flags.scene})`),
);
