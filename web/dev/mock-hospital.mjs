// The people, devices and readings of the development tool. All invented.
const birds =
  'Avocet Bunting Curlew Dunlin Egret Fulmar Godwit Heron Ibis Jacana Knot Lapwing Merlin Nuthatch Oriole Petrel Quail Redstart Siskin Treepie Umbrette Vireo Wryneck Wren Bittern Crake Dipper Eider Finch Grebe Hobby Jay Kestrel Linnet Martin Owl'.split(
    ' ',
  );
const two = (n) => String(n).padStart(2, '0');

const metric = (name, title, unit, decimals, cadence, silence, wave) => ({
  name,
  title,
  unit,
  decimals,
  codes: [],
  ...(cadence ? { cadence: cadence * 1e6 } : {}),
  ...(silence ? { silence: silence * 1e6 } : {}),
  ...(wave ? { rateNum: wave, rateDen: 1 } : {}),
});
const M = {
  hr: metric('hr', 'Heart rate', '/min', 0, 1, 10),
  pulse: metric('pulse', 'Pulse rate', '/min', 0, 1, 10),
  spo2: metric('spo2', 'SpO₂', '%', 0, 1, 10),
  resp: metric('resp', 'Respiration rate', '/min', 0, 1, 10),
  temp: metric('temp', 'Temperature', 'Cel', 1),
  sys: metric('nibp-sys', 'Systolic pressure', 'mm[Hg]', 0),
  dia: metric('nibp-dia', 'Diastolic pressure', 'mm[Hg]', 0),
  battery: metric('battery', 'Battery', '%', 0, 60, 600),
  glucose: metric('glucose', 'Glucose', 'mmol/L', 1, 300, 900),
  weight: metric('weight', 'Weight', 'kg', 1),
  watch: metric('hr', 'Heart rate', '/min', 0, 60, 600),
  steps: metric('steps', 'Steps', '1', 0, 600, 3600),
  room: metric('room-temp', 'Inside temperature', 'Cel', 1, 60, 600),
  humidity: metric('humidity', 'Humidity', '%', 0, 60, 600),
  ecg: metric('ecg-ii', 'ECG II', 'mV', 3, 0, 0, 250),
  pleth: metric('pleth', 'Pleth', '1', 3, 0, 0, 125),
  respw: metric('resp', 'Respiration', '1', 3, 0, 0, 25),
};

export function hospital(scene) {
  const storm = scene === 'storm';
  const series = [];
  const people = new Map();
  const latest = new Map();
  const silent = new Map();
  const units = [];
  const events = [];
  const started = Date.now();
  let eventNo = 0;

  const add = (subject, device, m) => {
    const s = { id: series.length + 1, subject, device, metric: m, wave: m.rateNum > 0 };
    series.push(s);
    return s;
  };
  const patient = (i) => ({
    id: `p${two(i)}`,
    family: birds[i % birds.length],
    given: `${'AILMORT'[i % 7]}ra`,
    born: `19${30 + (i % 60)}-0${1 + (i % 9)}-14`,
    mrn: `1000${two(i)}`,
    sex: i % 2 ? 'female' : 'male',
  });
  const bed = (loc, p, devices) => ({ location: loc, patient: p, devices, series: [] });

  const ward = (name, count, offset) => {
    const beds = [];
    for (let i = 1; i <= count; i++) {
      const free = i % 24 === 19;
      const loc = {
        id: `${name.replaceAll(' ', '')}-${two(i)}`,
        name: two(i),
        unit: name,
        kind: 'bed',
        rank: i,
      };
      const dev = {
        id: `M-${200 + offset + i}`,
        name: `M-${200 + offset + i}`,
        profile: 'bedside-monitor',
        kind: 'monitor',
        title: 'Bedside monitor',
      };
      const p = free ? null : patient(offset + i);
      const b = bed(loc, p, [dev]);
      if (p) {
        const subject = `patient/${p.id}`;
        people.set(subject, {
          hr: 58 + ((i * 37) % 60),
          spo2: 92 + ((i * 5) % 8),
          rr: 11 + ((i * 7) % 14),
          temp: 36.4 + ((i * 3) % 18) / 10,
          sys: 108 + ((i * 13) % 40),
          n: i,
        });
        const own = [M.hr, M.spo2, M.resp, M.sys, M.dia, M.temp, M.battery, M.ecg];
        if (i % 3) own.push(M.pleth, M.pulse);
        if (i % 4 === 3) own.push(M.respw);
        for (const m of own) b.series.push(add(subject, dev.id, m));
      }
      beds.push(b);
    }
    units.push({ name, beds });
  };
  const homes = () => {
    const beds = [];
    for (let i = 1; i <= 12; i++) {
      const p = patient(24 + i);
      const subject = `patient/${p.id}`;
      const loc = { id: `home-${two(i)}`, name: `H${two(i)}`, unit: 'Homes', kind: 'home', rank: i };
      const dev = { id: `G-${i}`, name: `G-${i}`, profile: 'cgm', kind: 'cgm', title: 'Glucose sensor' };
      const watch = { id: `W-${i}`, name: `W-${i}`, profile: 'smartwatch', kind: 'watch', title: 'Watch' };
      const b = bed(loc, p, [dev, watch]);
      people.set(subject, {
        hr: 62 + ((i * 11) % 30),
        glucose: 4.4 + ((i * 17) % 70) / 10,
        weight: 61 + i * 2.3,
        steps: 120 * i,
        sys: 122 + i,
        n: i,
        temp: 36.6,
        home: true,
      });
      for (const m of i % 3
        ? [M.glucose, M.watch, M.steps, M.weight]
        : [M.watch, M.sys, M.dia, M.weight, M.steps])
        b.series.push(add(subject, m === M.glucose ? dev.id : watch.id, m));
      beds.push(b);
    }
    units.push({ name: 'Homes', beds });
  };
  const fridge = () => {
    const loc = { id: 'fridge-1', name: 'Fridge 1', unit: '4 East', kind: 'fridge', rank: 99 };
    const dev = {
      id: 'T-20',
      name: 'T-20',
      profile: 'fridge-logger',
      kind: 'logger',
      title: 'Fridge logger',
    };
    const b = bed(loc, null, [dev]);
    people.set('location/fridge-1', { n: 1, room: 4.6 });
    for (const m of [M.room, M.humidity]) b.series.push(add('location/fridge-1', dev.id, m));
    units[0].beds.push(b);
  };
  if (scene === 'many') for (let i = 0; i < 8; i++) ward(`Ward ${i + 1}`, 25, i * 25);
  else if (scene !== 'empty') {
    ward('4 East', 24, 0);
    homes();
    if (storm) fridge();
  }

  const value = (s, person, t) => {
    const wob = (a, period) => a * Math.sin(t / period / 1000 + s.id);
    switch (s.metric.name) {
      case 'hr':
      case 'pulse':
        return (
          person.hr + wob(2, 7) + (person.n === 7 && !person.home ? Math.min(40, (t - started) / 2000) : 0)
        );
      case 'spo2':
        return person.spo2 - (person.n === 7 ? Math.min(16, (t - started) / 6000) : 0);
      case 'resp':
        return person.rr + wob(1, 11);
      case 'temp':
        return person.temp;
      case 'nibp-sys':
        return person.sys;
      case 'nibp-dia':
        return Math.round(person.sys * 0.58);
      case 'battery':
        return person.n === 10 ? 18 : 80;
      case 'glucose':
        return person.glucose + wob(0.3, 60);
      case 'weight':
        return person.weight;
      case 'steps':
        return person.steps;
      case 'room-temp':
        return person.room + wob(0.4, 40);
      case 'humidity':
        return 41;
      default:
        return 0;
    }
  };
  const isSilent = (s) => {
    const p = people.get(s.subject);
    if (storm) return p.n % 5 === 2 || (p.n % 7 === 3 && s.metric.name === 'spo2');
    return !p.home && p.n === 14;
  };
  const leadsOff = (s) => {
    const p = people.get(s.subject);
    return (
      !p.home &&
      (p.n === 16 || (storm && p.n % 6 === 4)) &&
      (s.metric.name === 'hr' || (s.metric.name === 'resp' && !s.wave))
    );
  };
  const reading = (s, t) => {
    const person = people.get(s.subject);
    const off = leadsOff(s);
    let v = value(s, person, t);
    const quality = off ? ['leads-off'] : [];
    if (storm && person.n === 9 && s.metric.name === 'spo2') {
      v = 120;
      quality.push('implausible');
    }
    const high = s.metric.name === 'glucose' && person.n === 5;
    if (high) quality.push('above');
    const text = off ? '' : high ? '> 22.2' : v.toFixed(s.metric.decimals);
    const at = new Date(t).toISOString();
    return {
      series: s.id,
      subject: s.subject,
      device: s.device,
      metric: s.metric.name,
      value: off ? null : Number(v.toFixed(s.metric.decimals)),
      text,
      unit: s.metric.unit,
      decimals: s.metric.decimals,
      time: at,
      arrived: at,
      quality,
      silenceMs: (s.metric.silence ?? 0) / 1000,
      version: 1,
    };
  };
  for (const s of series) {
    if (s.wave) continue;
    const n = people.get(s.subject).n;
    const back = isSilent(s)
      ? 120_000 + n * 4000
      : s.metric.cadence
        ? Math.min(s.metric.cadence / 2000, 150_000)
        : (n * 7 + 5) * 60_000;
    latest.set(s.id, reading(s, Date.now() - back));
    if (isSilent(s) && s.metric.silence)
      silent.set(s.id, {
        series: s.id,
        subject: s.subject,
        metric: s.metric.name,
        device: s.device,
        state: 'silent',
        since: new Date(Date.now() - 60_000).toISOString(),
      });
  }

  const event = (t, who, device, type, title) => ({
    id: `e${eventNo++}`,
    subject: who,
    device,
    type,
    title,
    time: new Date(t).toISOString(),
    arrived: new Date(t).toISOString(),
    quality: [],
  });
  if (units.length === 2) {
    events.push(event(started - 3_000_000, 'patient/p27', 'W-3', 'dose-taken', 'Dose taken'));
    events.push(event(started - 1_200_000, 'patient/p06', 'B-6', 'bed-exit', 'Bed exit'));
    if (storm)
      for (let i = 0; i < 14; i++)
        events.push(
          event(
            started - i * 400_000,
            `patient/p${two(25 + (i % 12))}`,
            'W-1',
            ['fall', 'door-open', 'button', 'dose-taken'][i % 4],
            ['Fall', 'Door open', 'Button pressed', 'Dose taken'][i % 4],
          ),
        );
  }
  let ticks = 0;
  return {
    units,
    people,
    series,
    events,
    wall: () => ({
      time: new Date().toISOString(),
      units: units.map((u) => ({
        name: u.name,
        beds: u.beds.map((b) => ({ ...b, latest: b.series.map((s) => latest.get(s.id)).filter(Boolean) })),
      })),
      unattributed: storm
        ? [
            {
              device: { id: 'X-9', name: 'X-9', profile: 'pulse-oximeter', title: 'Pulse oximeter' },
              location: units[0].beds[18].location,
            },
          ]
        : [],
    }),
    latest: () => [...latest.values()],
    silent: () => [...silent.values()],
    waveSeries: (id) => series.find((s) => s.id === id && s.wave),
    rates: (subject) => ({ hr: people.get(subject).hr, rr: people.get(subject).rr ?? 14 }),
    cut: (s) => isSilent(s),
    tick(t) {
      ticks++;
      const readings = [];
      for (const s of series) {
        if (s.wave || isSilent(s) || !s.metric.cadence) continue;
        if (t - Date.parse(latest.get(s.id).time) < s.metric.cadence / 1000 - 30) continue;
        const r = reading(s, t);
        latest.set(s.id, r);
        readings.push(r);
      }
      const happened =
        ticks === 60 && units.length === 2 ? [event(t, 'patient/p11', 'B-11', 'bed-exit', 'Bed exit')] : [];
      events.push(...happened);
      return { readings, states: [], events: happened };
    },
  };
}
