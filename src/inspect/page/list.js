// SPDX-License-Identifier: Apache-2.0
// A list of any length with as many elements as can be seen: a scroller, a spacer that is as high as all rows, and rows
// that move to where they are needed.
import { element } from './api.js';

const ROW = 28;
const BEYOND = 6; // rows above and below what is seen

export class WindowedList {
  // `make()` gives a row's element, `fill(element, item)` shows an item in it, `choose(item)` is told of clicks and keys.
  constructor(box, { make, fill, choose, key }) {
    Object.assign(this, { box, make, fill, choose, key, items: [], rows: [], chosen: null, due: false });
    this.spacer = element('div', 'spacer');
    box.classList.add('window');
    box.append(this.spacer);
    box.addEventListener('scroll', () => this.draw());
    box.addEventListener('keydown', event => this.press(event));
    new ResizeObserver(() => this.draw()).observe(box);
  }

  // What is looked at stays where it is when rows come in above it, unless that is the top.
  show(items) {
    const anchor = this.box.scrollTop > 0 ? this.items[Math.floor(this.box.scrollTop / ROW)] : undefined;
    const offset = this.box.scrollTop % ROW;
    this.items = items;
    this.spacer.style.height = `${items.length * ROW}px`;
    const at = anchor === undefined ? -1 : items.findIndex(item => this.key(item) === this.key(anchor));
    if (at >= 0)
      this.box.scrollTop = at * ROW + offset;
    this.draw();
  }

  draw() {
    if (this.due)
      return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.drawNow();
    });
  }

  drawNow() {
    const last = Math.min(this.items.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + BEYOND);
    const first = Math.min(last, Math.max(0, Math.floor(this.box.scrollTop / ROW) - BEYOND));
    while (this.rows.length < last - first)
      this.rows.push(this.rowMake());
    while (this.rows.length > last - first)
      this.rows.pop().remove();
    this.rows.forEach((row, i) => {
      const item = this.items[first + i];
      row.item = item;
      row.style.transform = `translateY(${(first + i) * ROW}px)`;
      row.classList.toggle('chosen', this.key(item) === this.chosen);
      this.fill(row, item);
    });
  }

  rowMake() {
    const row = this.make();
    row.classList.add('row');
    row.addEventListener('click', () => this.pick(row.item));
    this.spacer.append(row);
    return row;
  }

  pick(item) {
    this.chosen = this.key(item);
    this.draw();
    this.choose(item);
  }

  press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step === undefined || this.items.length === 0)
      return;
    event.preventDefault();
    const at = this.items.findIndex(item => this.key(item) === this.chosen);
    const next = Math.min(this.items.length - 1, Math.max(0, at + step));
    this.reveal(next);
    this.pick(this.items[next]);
  }

  reveal(at) {
    const top = at * ROW;
    if (top < this.box.scrollTop)
      this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight)
      this.box.scrollTop = top + ROW - this.box.clientHeight;
  }
}
