// SPDX-License-Identifier: Apache-2.0
// One request with its answer.
import { ask, askJson, button, clock, element, milliseconds, notice, post, size, statusClass, statusText, told } from './api.js';
import { bodyView, hexDump } from './body.js';
import { editForm } from './edit.js';
import { WindowedList } from './list.js';

const OPCODES = { 0: 'more', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };

const headersTable = headers =>
  element('table', '', ...headers.map(([name, value]) => element('tr', '', element('td', '', name), element('td', 'mono', value))));

const bytesOf = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0));

function fact(name, value, className) {
  return element('span', '', element('span', 'dim', `${name} `), element('b', className ?? '', value));
}

function framesView(record) {
  const box = element('div', 'frames');
  const payload = element('pre');
  payload.hidden = true;
  box.tabIndex = 0;
  const list = new WindowedList(box, {
    key: frame => frame.index,
    make: () => element('div', 'frame', ...Array.from({ length: 5 }, () => element('span'))),
    fill: (row, frame) => {
      const [way, time, opcode, bytes, text] = row.children;
      way.textContent = frame.from === 'service' ? '←' : '→';
      time.textContent = clock(frame.time);
      opcode.textContent = OPCODES[frame.opcode] + (frame.compressed ? ' (deflate)' : '');
      bytes.textContent = size(frame.bytes);
      text.textContent = frame.text ?? hexDump(bytesOf(frame.base64.slice(0, 24))).slice(8);
      text.className = 'path';
    },
    choose: frame => {
      payload.hidden = false;
      payload.className = frame.text === undefined ? 'hex' : '';
      payload.textContent = frame.text ?? hexDump(bytesOf(frame.base64));
    },
  });
  list.show(record.frames.map((frame, index) => ({ ...frame, index })));
  const left = record.frames_seen - record.frames.length;
  return element('div', '', element('p', 'dim', `${record.frames_seen} frames` + (left > 0 ? `, the last ${record.frames.length} are kept` : '')),
                 box, payload);
}

export class Detail {
  // `choose(number)` shows another request; `revealed()` says whether secrets are to be shown.
  constructor(box, { choose, revealed }) {
    Object.assign(this, { box, choose, revealed, number: null, turn: 0, hint: box.firstElementChild });
  }

  query() { return this.revealed() ? '?reveal=1' : ''; }

  // Something that the user has opened, and that a newer state of the same request must not take away.
  busy() { return this.box.querySelector('form, .curl, .row.chosen') !== null; }

  async show(number, again = false) {
    if (again && this.busy())
      return;
    const turn = ++this.turn;
    this.number = number;
    const record = await askJson(`/api/requests/${number}${this.query()}`);
    const parts = await this.parts(record);
    if (turn !== this.turn || (again && this.busy()))
      return;
    this.box.replaceChildren(...parts);
    this.box.dataset.number = number;
    this.box.dataset.state = record.state;
  }

  hide() {
    this.turn++;
    this.number = null;
    this.box.replaceChildren(this.hint);
  }

  async parts(record) {
    const parts = [this.title(record), this.facts(record), this.actions(record)];
    parts.push(element('h3', '', 'Request'), headersTable(record.request.headers));
    if (!record.websocket)
      parts.push(await bodyView(record.number, 'request', record.request));
    if (record.status !== 0)
      parts.push(element('h3', '', 'Answer'), headersTable(record.response.headers));
    if (record.websocket)
      parts.push(element('h3', '', 'Frames'), framesView(record));
    else if (record.status !== 0)
      parts.push(await bodyView(record.number, 'response', record.response));
    return parts;
  }

  title(record) {
    return element('h2', '', element('span', 'method', record.method), ` ${record.path}`);
  }

  facts(record) {
    return element('p', 'facts', fact('', statusText(record), statusClass(record)), fact('took', milliseconds(record.duration_ms)),
                   record.first_byte_ms === undefined ? null : fact('first byte', milliseconds(record.first_byte_ms)),
                   fact('at', clock(record.time)), fact('service', record.service), fact('from', record.visitor || '?'),
                   fact('sent', size(record.request_bytes)), fact('got', size(record.response_bytes)),
                   record.replay_of === undefined ? null : fact('again', `#${record.replay_of}`),
                   record.why === undefined ? null : fact('because', record.why, 'bad'));
  }

  actions(record) {
    const box = element('div', 'actions');
    if (!record.websocket && record.method !== '') {
      box.append(button('Replay', told(async () => this.choose((await post(`/api/requests/${record.number}/replay`, {})).number))));
      box.append(button('Edit and replay', () => this.edit(record)));
    }
    box.append(button('Copy as curl', told(() => this.copy(record))));
    return box;
  }

  edit(record) {
    this.box.querySelector('form')?.remove();
    const form = editForm(record, number => {
      form.remove();
      this.choose(number);
    });
    this.box.querySelector('.actions').after(form);
  }

  async copy(record) {
    const text = await (await ask(`/api/requests/${record.number}/curl${this.query()}`)).text();
    this.box.querySelector('.curl')?.remove();
    this.box.querySelector('.actions').after(element('pre', 'curl', text));
    await navigator.clipboard.writeText(text);
    notice(this.revealed() ? 'copied, with secrets' : 'copied; values of secret headers are hidden');
  }
}
