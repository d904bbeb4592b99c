// SPDX-License-Identifier: Apache-2.0
// What the server is doing, asked every other second, and what can be done about it. What clients say is only ever text.
import { Table, cells, say } from './table.js';

const POLL_MS = 2000, POLL_HIDDEN_MS = 10000;
const at = id => document.getElementById(id);

let before = new Map(); // bytes of each session at the last look
let cpuBefore = null;
let last = null; // the last answers, for the filter

async function ask(path, method = 'GET') {
  const answer = await fetch(path, { method });
  if (answer.status === 401) {
    location.reload(); // the server was started anew: it shows its form
    return new Promise(() => {});
  }
  const body = await answer.json();
  if (!answer.ok)
    throw new Error(body.error);
  return body;
}

// -- words

function size(n) {
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (n < 1024 || unit === 'GiB')
      return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
}

function span(seconds) {
  for (const [unit, length] of [['d', 86400], ['h', 3600], ['min', 60]])
    if (seconds >= 2 * length)
      return `${Math.floor(seconds / length)} ${unit}`;
  return `${seconds} s`;
}

const services = s => s.services.map(x => x.kind === 'http' ? x.name : `${x.name} (${x.kind})`).join(', ');
const blocked = s => s.waits !== null && s.waits !== 'no data';

let saidUntil = 0; // what went wrong with a deed stands for a while, also when the next answers come

function complain(text, time = 0) {
  const now = performance.now();
  if (!text && now < saidUntil)
    return;
  saidUntil = now + time;
  at('error').hidden = !text;
  say(at('error'), text ?? '');
}

// -- what is pressed

async function act(question, path) {
  if (!confirm(question))
    return;
  try {
    await ask(path, 'POST');
    await refresh();
  } catch (error) {
    complain(error.message, 8000);
  }
}

function deed(cell, text, question, path) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.addEventListener('click', () => act(question, path));
  cell.append(made);
}

const client = id => `/api/clients/${encodeURIComponent(id)}/`;

// -- tables

function waitsShow(cell, s) {
  say(cell, s.waits ?? '');
  cell.classList.toggle('blocked', blocked(s));
}

const clients = new Table('clients', {
  key: s => `${s.worker}/${s.session}`,
  make(row, s) {
    cells(row, '', '', 'number', 'number', 'number', 'number', 'number', 'number', 'waits', 'deeds');
    deed(row.cells[9], 'Disconnect', `End the sessions with ${s.client} and all their streams?`, `${client(s.client)}disconnect`);
    deed(row.cells[9], 'Deny', `Deny ${s.client}? It is disconnected and cannot come again.`, `${client(s.client)}deny`);
  },
  fill(row, s) {
    const old = before.get(s.instance + s.session), time = old ? (last.now - old.now) / 1000 : 0;
    const rate = name => time > 0 ? ` (${size(Math.max(0, s[name] - old[name]) / time)}/s)` : '';
    say(row[0], s.client + (s.away ? ', away' : '') + (s.encrypted ? '' : ', not encrypted'));
    row[0].classList.toggle('away', s.away);
    row[0].title = `${s.instance}, worker ${s.worker}, up for ${span(s.up_s)}${s.key && `\n${s.key}`}`;
    say(row[1], services(s));
    say(row[2], s.streams);
    say(row[3], size(s.bytes_to) + rate('bytes_to'));
    say(row[4], size(s.bytes_from) + rate('bytes_from'));
    say(row[5], `${(s.round_trip_us / 1000).toFixed(1)} ms`);
    say(row[6], `${size(s.in_flight)} / ${size(s.window)}`);
    say(row[7], s.resent);
    waitsShow(row[8], s);
  },
});

const streams = new Table('streams', {
  key: s => `${s.worker}/${s.session}/${s.stream}`,
  make: row => cells(row, '', '', 'number', 'number', 'number', 'number', 'waits'),
  fill(row, s) {
    [s.client, s.service, s.stream, size(s.queued), size(s.credit), size(s.unread)].forEach((text, i) => say(row[i], text));
    waitsShow(row[6], s);
  },
});

const lines = new Table('lines', {
  key: l => `${l.client} ${l.key} ${l.options}`,
  make(row, l) {
    cells(row, '', 'key', '', 'deeds');
    if (l.key !== 'none')
      deed(row.cells[3], 'Deny', `Deny ${l.client}?`, `${client(l.client)}deny`);
    deed(row.cells[3], 'Forget', `Forget the lines of ${l.client}?`, `${client(l.client)}forget`);
  },
  fill(row, l) {
    say(row[0], l.client);
    say(row[1], l.key === 'none' ? 'denied' : l.key);
    say(row[2], l.options);
  },
});

function facts(status, now) {
  const cpu = status.workers_cpu_us.map((us, i) =>
    cpuBefore ? `${Math.round((us - cpuBefore.us[i]) / 10 / (now - cpuBefore.now))} %` : '…');
  cpuBefore = { us: status.workers_cpu_us, now };
  const rows = {
    'Clients': status.clients,
    "Visitors' connections": status.counters.visitors,
    'Streams': status.counters.streams,
    'Requests': `${status.rates.requests}/s`,
    'To clients': `${size(status.rates.bytes_sent)}/s`,
    'From clients': `${size(status.rates.bytes_received)}/s`,
    'Broker': `${status.broker.embedded ? 'our own' : 'another'}${status.broker.up ? '' : ', not reached'}`,
    'Sessions': status.encryption ? 'encrypted' : 'not encrypted',
    'Workers': cpu.join(' '),
    'Limits hit': status.counters.limits_hit,
    'Running for': span(status.uptime_seconds),
  };
  const list = at('facts');
  for (const [i, [name, value]] of Object.entries(rows).entries()) {
    if (list.children[i] === undefined) {
      const box = document.createElement('div');
      box.append(document.createElement('dt'), document.createElement('dd'));
      list.append(box);
    }
    say(list.children[i].firstChild, name);
    say(list.children[i].lastChild, value);
  }
}

function show() {
  const wanted = at('filter').value.trim().toLowerCase();
  const matches = (...texts) => wanted === '' || texts.join('\n').toLowerCase().includes(wanted);
  const { found, open } = last;
  clients.show(found.sessions.filter(s => matches(s.client, services(s), s.waits)), found.sessions.length, found.unlisted);
  streams.show(open.streams.filter(s => matches(s.client, s.service, s.waits) && (blocked(s) || !at('blocked').checked)),
               open.streams.length, open.unlisted);
  lines.show(found.lines.filter(l => matches(l.client, l.key, l.options)), found.lines.length);
}

// -- what has changed

async function refresh() {
  const [status, found, open] = await Promise.all([ask('/api/status'), ask('/api/clients'), ask('/api/streams')]);
  const now = performance.now();
  say(at('version'), status.version);
  say(at('state'), status.draining ? 'draining' : status.ready ? 'ready' : 'not ready');
  at('state').classList.toggle('wrong', !status.ready);
  at('drain').disabled = status.draining;
  facts(status, now);
  last = { found, open, now };
  show();
  before = new Map(found.sessions.map(s => [s.instance + s.session, { now, bytes_to: s.bytes_to, bytes_from: s.bytes_from }]));
  complain(null);
}

at('drain').addEventListener('click', () => act('Take nothing new, finish what is in flight, and end?', '/api/drain'));
for (const id of ['filter', 'blocked'])
  at(id).addEventListener('input', () => last && show());
at('allow').addEventListener('submit', event => {
  event.preventDefault();
  const f = new FormData(event.target);
  const query = new URLSearchParams({ key: f.get('key'), options: f.get('options') });
  act(`Allow ${f.get('client')}?`, `${client(f.get('client'))}allow?${query}`);
});
document.addEventListener('keydown', event => {
  if (event.key !== '/' || event.target.matches('input'))
    return;
  event.preventDefault();
  at('filter').focus();
});

async function watch() {
  try {
    await refresh();
  } catch (error) {
    complain(error instanceof TypeError ? 'The server does not answer.' : error.message);
  }
  setTimeout(watch, document.hidden ? POLL_HIDDEN_MS : POLL_MS);
}
watch();
