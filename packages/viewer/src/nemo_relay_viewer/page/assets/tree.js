// The rows: as many as there are, of which only those in sight are elements. The focused one always is.
const HEIGHT = 24;
const LIMIT = 16e6; // pixels that browsers can scroll
const SIGNS = { agent: '\u25c6', llm: '\u25cf', tool: '\u25a0', function: '\u25cb', retriever: '\u25b2', guardrail: '\u25a3' };
const STATUS = { o: '\u2713', e: '\u2717', c: '\u2298', p: '\u2026' };

class Tree {
  constructor() {
    this.box = element('tree');
    this.closed = new Set();
    this.everything = false;
    this.kept = null;
    this.at = 0;
    this.elements = new Map();
    this.fill = make('div', '', 'fill');
    this.fill.setAttribute('role', 'presentation');
    this.box.append(this.fill);
    this.box.addEventListener('scroll', () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.box);
    const columns = page.columns, count = columns.uuid.length;
    this.parents = new Int32Array(count);
    this.children = new Uint32Array(count);
    const hidden = row => columns.flags[row] & 2;
    this.hidden = hidden;
    this.layout();
  }
  parentOf(row) {
    let parent = page.columns.parent[row];
    while (parent >= 0 && this.hidden(parent) && !this.everything) parent = page.columns.parent[parent];
    return parent;
  }
  layout() {
    const { parent } = page.columns, count = parent.length;
    this.list = []; this.level = []; this.children.fill(0);
    const depth = new Int32Array(count), gone = new Uint8Array(count);
    this.place = new Int32Array(count).fill(-1);
    this.siblings = new Map();
    for (let row = 0; row < count; row++) {
      const above = this.parentOf(row);
      const out = (this.hidden(row) && !this.everything) || (this.kept && !this.kept.has(row));
      if (!out && above >= 0) this.children[above]++;
      depth[row] = above >= 0 ? depth[above] + 1 : 0;
      gone[row] = above >= 0 && (gone[above] || this.closed.has(above)) ? 1 : 0;
      if (out || gone[row]) continue;
      this.place[row] = this.list.length;
      this.list.push(row); this.level.push(depth[row]);
      const count = (this.siblings.get(above) || 0) + 1;
      this.siblings.set(above, count);
    }
    this.positions = new Map();
    this.scale = Math.max(1, this.list.length * HEIGHT / LIMIT);
    this.fill.style.height = this.list.length * HEIGHT / this.scale + 'px';
    this.box.setAttribute('aria-rowcount', this.list.length);
    for (const made of this.elements.values()) made.remove();
    this.elements.clear();
    this.at = Math.min(this.at, Math.max(0, this.list.length - 1));
    this.draw();
  }
  draw() {
    if (this.box.hidden || !this.list.length) return;
    const first = Math.max(0, Math.floor(this.box.scrollTop * this.scale / HEIGHT) - 5);
    const last = Math.min(this.list.length, first + Math.ceil(this.box.clientHeight / HEIGHT) + 10);
    for (const [position, made] of this.elements) {
      if ((position < first || position >= last) && made !== document.activeElement && position !== this.at) { made.remove(); this.elements.delete(position); }
    }
    for (let position = first; position < last; position++) this.elementAt(position);
    this.elementAt(this.at);
    for (const [position, made] of this.elements) made.style.top = position * HEIGHT - this.box.scrollTop * (this.scale - 1) + 'px';
  }
  elementAt(position) {
    let made = this.elements.get(position);
    if (!made && position < this.list.length) {
      made = this.made(position);
      this.elements.set(position, made);
      this.box.append(made);
    }
    return made;
  }
  made(position) {
    const row = this.list[position], c = page.columns, kind = word(c.kind[row]) || 'mark', status = c.status[row];
    const line = make('div', undefined, 'row k-' + (['agent', 'llm', 'tool'].includes(kind) ? kind : 'other'));
    line.setAttribute('role', 'row');
    line.setAttribute('aria-rowindex', position + 1);
    line.setAttribute('aria-level', this.level[position] + 1);
    line.setAttribute('aria-setsize', this.siblings.get(this.parentOf(row)) || 1);
    line.setAttribute('aria-posinset', this.numberOf(row));
    if (this.children[row]) line.setAttribute('aria-expanded', String(!this.closed.has(row)));
    line.setAttribute('aria-selected', String(position === this.at));
    line.tabIndex = position === this.at ? 0 : -1;
    if (this.matches && !this.matches.has(row)) line.classList.add('dim');
    line.append(this.name(row, kind, position), this.bar(row, kind, status), cell('d', duration(c.length[row])));
    const tokens = c.in[row] || c.out[row] ? `${short(c.in[row])} \u2192 ${short(c.out[row])}` : '';
    line.append(cell('t', tokens), cell('c', c.cost[row] === null ? '' : money(c.cost[row])));
    line.append(cell('o s-' + (status === 'o' && word(c.outcome[row]) === 'open' ? 'p' : status), c.flags[row] & 1 ? '' : sign(row)));
    line.addEventListener('click', event => { this.go(position); if (event.target.className === 'fold') this.turn(); else choose(row); });
    line.addEventListener('dblclick', () => this.turn());
    return line;
  }
  numberOf(row) {
    const above = this.parentOf(row);
    let known = this.positions.get(above);
    if (!known) {
      known = new Map();
      for (const other of this.list) if (this.parentOf(other) === above) known.set(other, known.size + 1);
      if (this.positions.size > 50) this.positions.clear();
      this.positions.set(above, known);
    }
    return known.get(row) || 1;
  }
  name(row, kind, position) {
    const c = page.columns, made = make('span', undefined, 'n');
    made.setAttribute('role', 'rowheader');
    const depth = this.level[position];
    made.style.paddingLeft = 4 + Math.min(depth, 24) * 14 + 'px';
    made.append(make('span', this.children[row] ? (this.closed.has(row) ? '\u25b8' : '\u25be') : '', 'fold'));
    if (depth > 24) made.append(make('span', `\u22ef${depth} `, 'q'));
    const mark = c.flags[row] & 1;
    made.append(make('span', `${mark ? '\u00b7' : SIGNS[kind] || '\u25c7'} ${word(c.name[row])}`, mark ? 'q' : kind));
    if (c.detail[row]) made.append(make('span', c.detail[row], 'q'));
    if (kind === 'llm' && word(c.model[row]) && c.model[row] !== c.name[row]) made.append(make('span', ' \u00b7 ' + word(c.model[row]), 'q'));
    if (c.error[row]) made.append(make('span', '  ' + c.error[row].replace(/\s+/g, ' '), 'error'));
    return made;
  }
  bar(row, kind, status) {
    const c = page.columns, made = make('span', undefined, 'b');
    made.setAttribute('role', 'gridcell');
    if (c.start[row] < 0 || c.flags[row] & 1) return made;
    const length = c.length[row] < 0 ? c.end - c.start[row] : c.length[row], all = Math.max(1, c.end);
    made.setAttribute('aria-label', `starts at ${duration(c.start[row])}, lasts ${duration(length)}`);
    const bar = make('i', undefined, `k-${kind}` + (status === 'e' ? ' s-e' : ''));
    const waited = Math.min(length, Math.max(0, c.first[row]));
    if (waited) {
      const wait = make('i', undefined, bar.className + ' wait');
      wait.style.left = 100 * c.start[row] / all + '%'; wait.style.width = 100 * waited / all + '%';
      made.append(wait);
    }
    bar.style.left = 100 * (c.start[row] + waited) / all + '%'; bar.style.width = 100 * (length - waited) / all + '%';
    made.append(bar);
    return made;
  }
  get row() { return this.list[this.at]; }
  go(position, focus = true) {
    const before = this.elements.get(this.at);
    if (before) { before.tabIndex = -1; before.setAttribute('aria-selected', 'false'); }
    this.at = Math.max(0, Math.min(position, this.list.length - 1));
    const top = this.at * HEIGHT / this.scale, height = this.box.clientHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + HEIGHT > this.box.scrollTop + height) this.box.scrollTop = top + HEIGHT - height;
    const made = this.elementAt(this.at);
    if (!made) return;
    made.tabIndex = 0; made.setAttribute('aria-selected', 'true');
    if (focus) made.focus({ preventScroll: true });
    this.draw();
  }
  reveal(row) {
    for (let above = page.columns.parent[row]; above >= 0; above = page.columns.parent[above]) this.closed.delete(above);
    if (this.hidden(row)) this.everything = true;
    if (this.kept && !this.kept.has(row)) { this.kept = this.matches = null; element('filter').value = ''; }
    this.layout();
    this.go(this.place[row]);
  }
  turn(open) {
    const row = this.row;
    if (!this.children[row]) return;
    const closed = this.closed.has(row);
    if (open === !closed) return;
    closed ? this.closed.delete(row) : this.closed.add(row);
    const at = this.box.scrollTop;
    this.layout(); this.box.scrollTop = at; this.go(this.place[row]);
  }
  right() { this.children[this.row] && this.closed.has(this.row) ? this.turn(true) : this.children[this.row] && this.go(this.at + 1); }
  left() {
    if (this.children[this.row] && !this.closed.has(this.row)) return this.turn(false);
    const above = this.parentOf(this.row);
    if (above >= 0) this.go(this.place[above]);
  }
  level_(level) {
    const row = this.row;
    this.closed.clear(); this.layout();
    if (level) { this.list.forEach((other, at) => { if (this.level[at] >= level - 1 && this.children[other]) this.closed.add(other); }); this.layout(); }
    let seen = row;
    while (seen >= 0 && this.place[seen] < 0) seen = this.parentOf(seen);
    this.go(Math.max(0, this.place[seen]));
  }
}
function cell(kind, text) {
  const made = make('span', text, kind);
  made.setAttribute('role', 'gridcell');
  return made;
}
const sign = row => {
  const outcome = word(page.columns.outcome[row]);
  return outcome === 'open' ? '\u2026 open' : `${STATUS[page.columns.status[row]] || ''} ${outcome}`;
};
