// SPDX-License-Identifier: Apache-2.0
// A body as text, JSON, picture or hexadecimal digits.
import { ask, button, element, size } from './api.js';

const headerOf = (message, name) => message.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? '';

// Only white space between the tokens changes: numbers stay as they were written.
export function prettyJson(text) {
  JSON.parse(text);
  let out = '', depth = 0;
  const line = () => '\n' + '  '.repeat(depth);
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    if (token === '}' || token === ']') {
      depth--;
      out += /[{[]$/.test(out) ? token : line() + token;
    } else {
      out += /[{[,]$/.test(out) && depth > 0 ? line() + token : token;
      if (token === '{' || token === '[')
        depth++;
      else if (token === ':')
        out += ' ';
    }
  }
  return out;
}

export function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const digits = part.map(b => b.toString(16).padStart(2, '0')).join(' ');
    const signs = part.map(b => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(47)}  ${signs}`);
  }
  return lines.join('\n');
}

// What the browser can undo; a body of which only the beginning was kept gives its beginning.
async function decoded(bytes, coding) {
  const format = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' }[coding.trim().toLowerCase()];
  if (format === undefined)
    return null;
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format)).getReader();
  const parts = [];
  let length = 0;
  try {
    for (let step; !(step = await reader.read()).done && length < 4e6; length += step.value.length)
      parts.push(step.value);
  } catch {
    if (parts.length === 0)
      return null;
  }
  reader.cancel().catch(() => {});
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function asText(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function jsonOf(text) {
  try {
    return prettyJson(text);
  } catch {
    return null;
  }
}

// The ways to look at it, the best one first: [name, function that gives an element].
async function views(path, message) {
  const type = headerOf(message, 'content-type'), coding = headerOf(message, 'content-encoding');
  const raw = new Uint8Array(await (await ask(path)).arrayBuffer());
  const plain = coding && coding !== 'identity' ? await decoded(raw, coding) : raw;
  const text = plain === null ? null : message.text !== undefined && plain === raw ? message.text : asText(plain);
  const found = [];
  if (/^image\/(png|jpeg|gif|webp|avif|bmp)/i.test(type) && plain === raw && message.kept === message.bytes)
    found.push(['Picture', () => Object.assign(element('img', 'picture'), { src: path, alt: '' })]);
  const json = text === null || !/^\s*[[{"]/.test(text) ? null : jsonOf(text);
  if (json !== null)
    found.push(['JSON', () => element('pre', 'json', json)]);
  if (text !== null && !text.includes('\0'))
    found.push(['Text', () => element('pre', 'text', text)]);
  found.push(['Hex', () => element('pre', 'hex', hexDump(plain ?? raw))]);
  return found;
}

export async function bodyView(number, which, message) {
  const box = element('div', 'body');
  if (message.kept === 0) {
    box.append(element('p', 'dim', message.bytes === 0 ? 'no body' : `${size(message.bytes)}, not kept`));
    return box;
  }
  const path = `/api/requests/${number}/${which}/body`;
  const found = await views(path, message);
  const place = element('div');
  const actions = element('div', 'actions');
  const show = at => {
    place.replaceChildren(found[at][1]());
    [...actions.querySelectorAll('button')].forEach((b, i) => b.setAttribute('aria-pressed', String(i === at)));
  };
  found.forEach(([name], at) => actions.append(button(name, () => show(at))));
  const save = element('a', 'button', 'Save');
  save.href = path;
  save.download = `${which}-${number}`;
  const cut = message.kept < message.bytes ? `the first ${size(message.kept)} of ${size(message.bytes)}` : size(message.bytes);
  actions.append(save, element('span', 'dim', cut));
  box.append(actions, place);
  show(0);
  return box;
}
