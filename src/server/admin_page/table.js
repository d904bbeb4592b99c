// SPDX-License-Identifier: Apache-2.0
// A table whose rows stay while what they show changes: what is focused or being pressed does not go from under the hand.

const LIMIT = 500; // rows; a filter finds the rest

// Cells and fields are written only where they differ, which keeps a selection, too.
export function say(element, text) {
  if (element.textContent !== String(text))
    element.textContent = text;
}

export class Table {
  // `key(item)`: what it is known by; `make(row, item)`: the cells of a new row; `fill(cells, item)`: what they show.
  constructor(id, { key, make, fill }) {
    const [body, count] = [id, `${id}-count`].map(name => document.getElementById(name));
    Object.assign(this, { body, count, key, make, fill, rows: new Map() });
  }

  show(items, all, unlisted = 0) {
    const shown = items.slice(0, LIMIT), wanted = new Set(shown.map(this.key));
    for (const [key, row] of this.rows)
      if (!wanted.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    shown.forEach((item, at) => this.place(item, at));
    const hidden = unlisted > 0 ? `, and ${unlisted} that the server does not list` : '';
    say(this.count, shown.length === all ? `${all}${hidden}` : `${shown.length} of ${all}${hidden}`);
  }

  place(item, at) {
    let row = this.rows.get(this.key(item));
    if (row === undefined) {
      row = document.createElement('tr');
      this.make(row, item);
      this.rows.set(this.key(item), row);
    }
    if (this.body.rows[at] !== row)
      this.body.insertBefore(row, this.body.rows[at] ?? null);
    this.fill(row.cells, item);
  }
}

// Empty cells of these classes.
export function cells(row, ...classes) {
  for (const name of classes)
    row.insertCell().className = name;
}
