// The answers of /api/v1 of the development tool.
const when = new Date(Date.now() - 9e5).toISOString();
const profileText =
  'device: bp-cuff\nsource: invented\ntime: {path: $.ts, format: unix-s}\nreadings:\n  - {metric: nibp-sys, path: $.sys, unit: "mm[Hg]"}\n';
const entries = [
  {
    id: 'q-3',
    device: 'C-12',
    profile: 'bp-cuff',
    state: 'open',
    pos: '$.sys',
    reason: 'want a number, got the text "n/a"',
    count: 1,
    first: when,
    last: when,
  },
  {
    id: 'q-2',
    device: 'X-9',
    profile: 'pulse-oximeter',
    state: 'open',
    pos: 'line 1 column 14',
    reason: 'text ends inside an object',
    count: 37,
    first: when,
    last: when,
  },
  {
    id: 'q-1',
    device: 'G-3',
    profile: 'cgm',
    state: 'replayed',
    pos: '/sgv',
    reason: 'unknown unit',
    count: 1,
    first: when,
    last: when,
    closed: when,
    by: 'local-admin',
  },
];
const payload = '{"ts": 1795242000, "sys": "n/a", "dia": 74, "pulse": 66}';

const devicesOf = (h) =>
  h.units.flatMap((u) =>
    u.beds.flatMap((b) =>
      b.devices.map((d) => ({
        ...d,
        maker: 'Halden',
        model: 'V8',
        serial: `H8-${d.id}`,
        firmware: '4.2.1',
        created: when,
      })),
    ),
  );
const patientsOf = (h) => h.units.flatMap((u) => u.beds.map((b) => b.patient).filter(Boolean));
const profiles = (h) =>
  ['bedside-monitor', 'bp-cuff', 'cgm', 'fridge-logger', 'pulse-oximeter', 'smartwatch'].map((name, i) => ({
    name,
    title: name.replaceAll('-', ' '),
    maker: 'generic',
    kind: name,
    source: 'invented for development',
    builtin: i !== 1,
    examples: [{ send: payload, want: { 'nibp-sys': '128 mm[Hg]' } }],
    metrics: h.series.slice(0, 6).map((s) => s.metric),
  }));

export function answers(h, method, url, body) {
  const path = url.pathname.slice('/api/v1'.length);
  const id = path.split('/')[2];
  const get = {
    '/wall': () => h.wall(),
    '/events': () => ({ events: h.events }),
    '/patients': () => ({ patients: patientsOf(h) }),
    '/devices': () => ({ devices: devicesOf(h) }),
    '/locations': () => ({ locations: h.units.flatMap((u) => u.beds.map((b) => b.location)) }),
    '/stays': () => ({
      stays: h.units.flatMap((u) =>
        u.beds
          .filter((b) => b.patient)
          .map((b) => ({
            id: `s-${b.location.id}`,
            patient: b.patient.id,
            location: b.location.id,
            from: when,
          })),
      ),
    }),
    '/assignments': () => ({
      assignments: h.units
        .flatMap((u) =>
          u.beds
            .filter((b) => b.patient)
            .flatMap((b) =>
              b.devices.map((d) => ({
                id: `a-${d.id}`,
                device: d.id,
                subject: `patient/${b.patient.id}`,
                from: when,
              })),
            ),
        )
        .filter(
          (a) =>
            (!url.searchParams.get('device') || a.device === url.searchParams.get('device')) &&
            (!url.searchParams.get('subject') || a.subject === url.searchParams.get('subject')),
        ),
    }),
    '/latest': () => ({
      readings: h
        .latest()
        .filter(
          (r) =>
            (url.searchParams.get('patient') ?? '').split(',').includes(r.subject.slice(8)) ||
            url.searchParams.get('device') === r.device,
        ),
    }),
    '/series': () => ({
      series: h.series.filter(
        (s) =>
          (!url.searchParams.get('patient') || s.subject === `patient/${url.searchParams.get('patient')}`) &&
          (!url.searchParams.get('device') || s.device === url.searchParams.get('device')),
      ),
    }),
    '/quarantine': () => ({
      entries: entries.filter(
        (e) => !url.searchParams.get('state') || e.state === url.searchParams.get('state'),
      ),
      next: '',
    }),
    '/profiles': () => ({
      profiles: profiles(h),
      problems: [
        {
          file: 'scale-x.yaml',
          pos: 'line 7 column 3',
          msg: 'unknown key "reading"; did you mean "readings"?',
        },
      ],
    }),
    '/health': () => ({
      ok: false,
      checks: [
        { name: 'disk', ok: true, detail: '41 GB free' },
        { name: 'journal', ok: true, detail: '3 ms behind' },
        {
          name: 'clock',
          ok: false,
          detail: '4.2 s ahead of the gateways',
          advice: 'Turn on time synchronisation on this machine.',
        },
      ],
    }),
    '/system': () => ({ version: 'dev', demo: true, started: when, time: new Date().toISOString() }),
  };
  if (method === 'GET' && get[path]) return [200, get[path]()];
  const one = {
    quarantine: entries.find((e) => e.id === id),
    profiles: profiles(h).find((p) => p.name === id),
    patients: patientsOf(h).find((p) => p.id === id),
    devices: devicesOf(h).find((d) => d.id === id),
  }[path.split('/')[1]];
  if (method === 'GET' && one)
    return [
      200,
      path.startsWith('/quarantine')
        ? { ...one, payload: { text: payload, base64: '' }, profileText }
        : path.startsWith('/profiles')
          ? { ...one, text: profileText }
          : one,
    ];
  if (method === 'POST' && path.endsWith('/replay'))
    return [
      200,
      { replayed: 0, refused: [{ id, pos: '$.sys', reason: 'want a number, got the text "n/a"' }] },
    ];
  if (method === 'POST' && path.endsWith('/close')) {
    Object.assign(one, {
      state: 'closed',
      closed: new Date().toISOString(),
      by: 'local-admin',
      reason: `${one.reason}`,
    });
    return [200, one];
  }
  if (method === 'POST' && path === '/profiles/check')
    return [
      200,
      {
        ok: false,
        problems: [
          { file: 'text', pos: 'line 1 column 1', msg: `got ${body.length} bytes; readings are missing` },
        ],
      },
    ];
  if (method === 'POST' && path === '/profiles/try')
    return [
      200,
      {
        readings: [{ metric: 'nibp-dia', value: 74, text: '74', unit: 'mm[Hg]', quality: [] }],
        waves: [],
        events: [],
        refusals: [{ pos: '$.sys', reason: 'want a number, got the text "n/a"' }],
      },
    ];
  return [404, { title: 'Not Found', status: 404, detail: `There is no ${path}.` }];
}
