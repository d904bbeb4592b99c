// SPDX-License-Identifier: Apache-2.0
// A request that is sent again, with changes.
import { button, element, post, size, told } from './api.js';

// Written anew on the way.
const OURS = new Set(['connection', 'content-length', 'transfer-encoding', 'keep-alive', 'expect', 'upgrade', 'te', 'trailer']);

const lines = headers => headers.filter(([name]) => !OURS.has(name.toLowerCase())).map(([name, value]) => `${name}: ${value}`).join('\n');

function pairs(text) {
  return text.split('\n').filter(line => line.trim() !== '').map(line => {
    const colon = line.indexOf(':');
    if (colon <= 0)
      throw new Error(`not a header: ${line}`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
}

const named = (made, name, value) => Object.assign(made, { name, value });

// `sent(number)` is told of the new request.
export function editForm(record, sent) {
  const form = element('form', 'edit');
  const method = named(element('input'), 'method', record.method);
  const path = named(element('input', 'mono'), 'path', record.path);
  const headers = named(element('textarea'), 'headers', lines(record.request.headers));
  const body = named(element('textarea'), 'body', record.request.text ?? '');
  const binary = record.request.text === undefined && record.request.kept > 0;
  body.placeholder = binary ? `as it was: ${size(record.request.bytes)}` : 'no body';
  let touched = false;
  body.addEventListener('input', () => { touched = true; });
  const send = element('button', '', 'Send');
  form.addEventListener('submit', told(async event => {
    event.preventDefault();
    const edit = { method: method.value.trim(), path: path.value.trim(), headers: pairs(headers.value) };
    if (touched)
      edit.body = body.value;
    sent((await post(`/api/requests/${record.number}/replay`, edit)).number);
  }));
  form.append(element('div', 'line', method, path), headers, body,
              element('div', 'actions', send, button('Cancel', () => form.remove())));
  return form;
}
