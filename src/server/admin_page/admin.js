// SPDX-License-Identifier: Apache-2.0
'use strict';

const at = id => document.getElementById(id);
let before = new Map();  // bytes of each session at the last look

async function ask(path, method = 'GET') {
  const answer = await fetch(path, { method });
  const body = await answer.json();
  if (!answer.ok)
    throw new Error(body.error);
  return body;
}

function size(n) {
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (n < 1024 || unit === 'GiB')
      return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
}

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind)
    td.className = kind;
  return td;
}

async function act(question, path) {
  if (!confirm(question))
    return;
  try {
    await ask(path, 'POST');
    await refresh();
  } catch (e) {
    complain(e);
  }
}

function button(td, text, question, path) {
  const b = document.createElement('button');
  b.textContent = text;
  b.onclick = () => act(question, path);
  td.append(b, ' ');
}

function complain(e) {
  at('error').hidden = !e;
  at('error').textContent = e ? e.message : '';
}

// The table's body is replaced at once, so that nothing flickers.
function fill(id, list, write) {
  const fresh = document.createElement('tbody');
  fresh.id = id;
  for (const one of list)
    write(fresh.insertRow(), one);
  at(id).replaceWith(fresh);
}

const client = id => `/api/clients/${encodeURIComponent(id)}/`;

function showSession(row, s, now) {
  const old = before.get(s.session), span = old ? (now - old.now) / 1000 : 0;
  const rate = name => span > 0 ? ` (${size((s[name] - old[name]) / span)}/s)` : '';
  cell(row, s.client).title = `${s.instance}, worker ${s.worker}, up for ${s.up_s} s`;
  cell(row, s.services.map(x => x.kind === 'http' ? x.name : `${x.name} (${x.kind})`).join(', '));
  cell(row, s.streams, 'number');
  cell(row, size(s.bytes_to) + rate('bytes_to'), 'number');
  cell(row, size(s.bytes_from) + rate('bytes_from'), 'number');
  cell(row, `${(s.round_trip_us / 1000).toFixed(1)} ms`, 'number');
  cell(row, `${size(s.in_flight)} / ${size(s.window)}`, 'number');
  cell(row, s.resent, 'number');
  cell(row, s.waits ?? '');
  const td = row.insertCell();
  button(td, 'Disconnect', `End the sessions with ${s.client} and all their streams?`, client(s.client) + 'disconnect');
  button(td, 'Deny', `Deny ${s.client}? It is disconnected and cannot come again.`, client(s.client) + 'deny');
}

function showStream(row, s) {
  cell(row, s.client);
  cell(row, s.service);
  cell(row, s.stream, 'number');
  cell(row, size(s.queued), 'number');
  cell(row, size(s.credit), 'number');
  cell(row, size(s.unread), 'number');
  cell(row, s.waits ?? '');
}

function showLine(row, l) {
  cell(row, l.client);
  cell(row, l.key, 'key');
  cell(row, l.options);
  const td = row.insertCell();
  if (l.key !== 'none')
    button(td, 'Deny', `Deny ${l.client}?`, client(l.client) + 'deny');
  button(td, 'Forget', `Forget the lines of ${l.client}?`, client(l.client) + 'forget');
}

async function refresh() {
  const [status, clients, streams] = await Promise.all([ask('/api/status'), ask('/api/clients'), ask('/api/streams')]);
  const now = performance.now();
  at('summary').textContent = `${status.version}${status.draining ? ', draining' : status.ready ? ', ready' : ', NOT ready'}; ` +
    `${status.clients} clients, ${status.counters.visitors} visitors, ${status.counters.streams} streams; ` +
    `${status.rates.requests} requests/s, ${size(status.rates.bytes_sent)}/s to clients, ${size(status.rates.bytes_received)}/s from them`;
  fill('clients', clients.sessions, (row, s) => showSession(row, s, now));
  fill('streams', streams.streams.slice(0, 500), showStream);
  fill('lines', clients.lines, showLine);
  before = new Map(clients.sessions.map(s => [s.session, { now, bytes_to: s.bytes_to, bytes_from: s.bytes_from }]));
  complain(clients.unlisted + streams.unlisted > 0 ? new Error('There are more than can be listed.') : null);
}

at('drain').onclick = () => act('Take nothing new, finish what is in flight, and end?', '/api/drain');
at('allow').onsubmit = event => {
  event.preventDefault();
  const f = new FormData(event.target);
  const query = new URLSearchParams({ key: f.get('key'), options: f.get('options') });
  act(`Allow ${f.get('client')}?`, `${client(f.get('client'))}allow?${query}`);
};

async function watch() {
  try {
    await refresh();
  } catch (e) {
    complain(e);
  }
  setTimeout(watch, 2000);
}
watch();
