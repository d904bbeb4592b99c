// SPDX-License-Identifier: Apache-2.0
// What the page asks the client, and elements without markup: what visitors sent is only ever text.

export async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.error ?? `status ${answer.status}`);
  }
  return answer;
}

export const askJson = async path => (await ask(path)).json();

export const post = async (path, value) =>
  (await ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) })).json();

// element('td', 'class', children or text ...)
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className)
    made.className = className;
  made.append(...children.filter(child => child !== null));
  return made;
}

export function button(text, press) {
  const made = element('button', '', text);
  made.type = 'button';
  made.addEventListener('click', press);
  return made;
}

let fading;
export function notice(text) {
  const at = document.getElementById('notice');
  at.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => { at.textContent = ''; }, 4000);
}

// For what is started by a click: what goes wrong is said.
export const told = deed => async (...all) => {
  try {
    await deed(...all);
  } catch (error) {
    notice(error.message);
  }
};

export function size(bytes) {
  if (bytes < 1000)
    return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function milliseconds(ms) {
  if (ms < 10)
    return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export const clock = time => new Date(time).toLocaleTimeString([], { hour12: false }) + '.' + time.slice(20, 23);

export function statusClass(record) {
  if (record.state === 'cut' || record.status >= 500)
    return 'bad';
  return record.status >= 400 ? 'wrong' : record.status >= 300 ? 'moved' : 'good';
}

export const statusText = record =>
  record.state === 'cut' ? 'cut' : record.status === 0 ? '…' : String(record.status);
