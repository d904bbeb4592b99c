// SPDX-License-Identifier: Apache-2.0
// The list, its filters, and what has changed since the last look.
import { ask, askJson, element, milliseconds, notice, size, statusClass, statusText, told } from './api.js';
import { Detail } from './detail.js';
import { WindowedList } from './list.js';

const POLL_MS = 700, POLL_HIDDEN_MS = 5000;
const at = id => document.getElementById(id);

const records = new Map(); // by number, in their order
let revision = 0, wanted = null;

const list = new WindowedList(at('list'), {
  key: record => record.number,
  make: () => element('div', 'request', ...Array.from({ length: 6 }, () => element('span'))),
  fill: (row, record) => {
    const [method, status, path, service, took, bytes] = row.children;
    method.textContent = record.method || '?';
    method.className = 'method';
    status.textContent = record.websocket && record.state === 'open' ? 'ws' : statusText(record);
    status.className = statusClass(record);
    path.textContent = (record.replay_of === undefined ? '' : '↻ ') + (record.path || record.why);
    path.className = 'path';
    service.textContent = record.service;
    service.className = 'dim';
    took.textContent = record.state === 'open' ? '…' : milliseconds(record.duration_ms);
    took.className = 'right';
    bytes.textContent = size(record.response_bytes);
    bytes.className = 'right dim';
  },
  choose: told(record => detail.show(record.number)),
});

const choose = number => {
  wanted = number;
  list.chosen = number;
  list.draw();
};
const detail = new Detail(at('detail'), { choose, revealed: () => at('reveal').checked });

// -- filters

function matches(record, { method, status, text }) {
  const state = status === 'open' || status === 'cut';
  return (method === '' || record.method === method) &&
    (status === '' || (state ? record.state === status : Math.floor(record.status / 100) === Number(status))) &&
    (text === '' || `${record.path}\n${record.service}\n${record.type}\n${record.visitor}`.toLowerCase().includes(text));
}

function methodsShow() {
  const select = at('method'), known = new Set([...select.options].map(o => o.value));
  for (const { method } of records.values())
    if (method !== '' && !known.has(method)) {
      known.add(method);
      select.append(Object.assign(element('option', '', method), { value: method }));
    }
}

function show() {
  const filter = { method: at('method').value, status: at('status').value, text: at('text').value.trim().toLowerCase() };
  const shown = [];
  for (const record of records.values())
    if (matches(record, filter))
      shown.push(record);
  shown.reverse();
  list.show(shown);
  at('count').textContent = shown.length === records.size ? `${shown.length} requests` : `${shown.length} of ${records.size} requests`;
}

// -- what has changed

function forget(first) {
  for (const number of records.keys()) {
    if (number >= first)
      break;
    records.delete(number);
  }
}

function take(answer) {
  const late = []; // a new one may come after a later one that has changed before
  for (const record of answer.requests) {
    if (!records.has(record.number))
      late.push(record);
    records.set(record.number, record);
  }
  if (late.length > 0) {
    const all = [...records].sort(([a], [b]) => a - b);
    records.clear();
    for (const [number, record] of all)
      records.set(number, record);
  }
  forget(answer.first);
  revision = answer.revision;
}

function detailFollow(changed) {
  if (wanted !== null && records.has(wanted)) {
    const number = wanted;
    wanted = null;
    return detail.show(number);
  }
  if (detail.number !== null && !records.has(detail.number) && records.size === 0)
    return detail.hide();
  return changed.has(detail.number) ? detail.show(detail.number, true) : undefined;
}

async function poll() {
  const changed = new Set();
  for (let more = true; more;) {
    const answer = await askJson(`/api/requests?after=${revision}`);
    if (answer.revision < revision) { // another process
      records.clear();
      revision = 0;
      continue;
    }
    more = answer.more;
    const before = records.size, first = records.keys().next().value;
    take(answer);
    for (const { number } of answer.requests)
      changed.add(number);
    if (answer.requests.length > 0 || records.size !== before || records.keys().next().value !== first) {
      methodsShow();
      show();
    }
  }
  await detailFollow(changed);
}

async function pollForever() {
  for (let lost = false;;) {
    try {
      await poll();
      lost = false;
    } catch (error) {
      if (!lost)
        notice(`the client does not answer: ${error.message}`);
      lost = true;
    }
    await new Promise(resolve => setTimeout(resolve, document.hidden ? POLL_HIDDEN_MS : POLL_MS));
  }
}

// -- what is pressed

for (const id of ['method', 'status', 'text'])
  at(id).addEventListener('input', () => {
    at('list').scrollTop = 0;
    show();
  });
at('filters').addEventListener('submit', event => event.preventDefault());
at('clear').addEventListener('click', told(async () => {
  await ask('/api/requests', { method: 'DELETE' });
  await poll();
}));
at('reveal').addEventListener('change', told(async () => {
  const query = at('reveal').checked ? '?reveal=1' : '';
  at('json').href = `/api/export.json${query}`;
  at('har').href = `/api/export.har${query}`;
  if (detail.number !== null)
    await detail.show(detail.number);
}));
document.addEventListener('keydown', event => {
  if (event.key !== '/' || event.target.matches('input, textarea, select'))
    return;
  event.preventDefault();
  at('text').focus();
});

const about = await askJson('/api/about').catch(() => ({ client: '' }));
at('client').textContent = about.client;
document.title = `Inspector: ${about.client}`;
if (about.secrets === 'shown')
  at('reveal').parentElement.hidden = true;
pollForever();
