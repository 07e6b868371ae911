// The waterfall: agents on top of each other, inside them as many lanes as run at one time.
const LANE = 16;
class Timeline {
  constructor() {
    this.canvas = element('canvas'); this.box = element('canvasbox');
    this.from = 0; this.to = Math.max(1, page.columns.end);
    this.lanes = null;
    this.canvas.addEventListener('click', event => this.pick(event));
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.box.addEventListener('keydown', event => this.key(event));
    this.box.addEventListener('wheel', event => { if (event.ctrlKey) { event.preventDefault(); this.zoom(event.deltaY > 0 ? 1.25 : 0.8); } }, { passive: false });
  }
  pack() {
    const c = page.columns, lanes = [], ends = [], groups = new Map();
    const rowsOf = agent => { if (!groups.has(agent)) groups.set(agent, []); return groups.get(agent); };
    const agents = new Int32Array(c.uuid.length).fill(-1);
    for (let row = 0; row < c.uuid.length; row++) {
      const parent = c.parent[row];
      agents[row] = word(c.kind[row]) === 'agent' || parent < 0 ? row : agents[parent];
      const leaf = ['llm', 'tool'].includes(word(c.kind[row])) || !(row + 1 < c.uuid.length && c.parent[row + 1] === row);
      if (!(c.flags[row] & 3) && c.start[row] >= 0 && (leaf || agents[row] === row)) rowsOf(agents[row]).push(row);
    }
    for (const [agent, rows] of groups) {
      const first = lanes.length;
      for (const row of rows.sort((a, b) => (a === agent ? -1 : b === agent ? 1 : c.start[a] - c.start[b]))) {
        let lane = first + (row === agent ? 0 : 1);
        while (lane < lanes.length && ends[lane] > c.start[row]) lane++;
        while (lanes.length <= lane) { lanes.push([]); ends.push(-1); }
        lanes[lane].push(row); ends[lane] = c.length[row] < 0 ? c.end : c.start[row] + c.length[row];
      }
    }
    this.lanes = lanes;
  }
  draw() {
    if (element('time').hidden) return;
    if (!this.lanes) this.pack();
    const c = page.columns, ratio = devicePixelRatio || 1, width = this.box.clientWidth, height = Math.min(16000, Math.max(40, this.lanes.length * LANE + 20));
    this.canvas.width = width * ratio; this.canvas.height = height * ratio;
    this.canvas.style.width = width + 'px'; this.canvas.style.height = height + 'px';
    const pen = this.canvas.getContext('2d'), style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue('--' + name);
    pen.scale(ratio, ratio); pen.font = '11px system-ui'; pen.textBaseline = 'middle';
    const x = time => (time - this.from) / (this.to - this.from) * width;
    this.lanes.forEach((rows, lane) => {
      let painted = -1;
      for (const row of rows) {
        const end = c.length[row] < 0 ? c.end : c.start[row] + c.length[row];
        if (end < this.from || c.start[row] > this.to) continue;
        const left = Math.max(0, x(c.start[row])), right = Math.min(width, Math.max(left + 1, x(end))), failed = c.status[row] === 'e';
        if (right <= painted && !failed) continue;
        painted = right;
        const kind = word(c.kind[row]), y = lane * LANE + 2, waited = c.first[row] > 0 ? Math.min(right, x(c.start[row] + c.first[row])) : left;
        pen.fillStyle = colour(failed ? 'error' : ['agent', 'llm', 'tool'].includes(kind) ? kind : 'other');
        if (kind === 'agent') { pen.globalAlpha = .35; pen.fillRect(left, y, right - left, LANE - 3); pen.globalAlpha = 1; }
        else { pen.fillRect(left, y + LANE / 2 - 2, waited - left, 2); pen.fillRect(waited, y, right - waited, LANE - 3); }
        const from = kind === 'agent' ? left : waited;
        if (right - from > 40) {
          pen.save(); pen.beginPath(); pen.rect(from, y, right - from, LANE); pen.clip();
          pen.fillStyle = kind === 'agent' ? colour('text') : colour('back');
          pen.fillText(shown(word(c.name[row])), from + 4, y + LANE / 2 - 1); pen.restore();
        }
      }
    });
    element('timehint').textContent = `${duration(this.from)} to ${duration(this.to)}, ${this.lanes.length} lanes; + \u2212 zoom, \u2190 \u2192 move, 0 all`;
  }
  pick(event) {
    const c = page.columns, box = this.canvas.getBoundingClientRect(), lane = this.lanes[Math.floor((event.clientY - box.top) / LANE)] || [];
    const time = this.from + (event.clientX - box.left) / box.width * (this.to - this.from);
    const row = lane.find(one => time >= c.start[one] && time <= c.start[one] + Math.max(c.length[one], (this.to - this.from) / box.width * 4));
    if (row !== undefined) choose(row);
  }
  zoom(by) {
    const middle = (this.from + this.to) / 2, half = Math.max(5, (this.to - this.from) / 2 * by);
    this.from = Math.max(0, middle - half); this.to = Math.min(Math.max(1, page.columns.end), middle + half); this.draw();
  }
  key(event) {
    const step = (this.to - this.from) / 5;
    if (event.key === '+' || event.key === 'w') this.zoom(0.6);
    else if (event.key === '-' || event.key === 's') this.zoom(1.6);
    else if (event.key === '0') { this.from = 0; this.to = Math.max(1, page.columns.end); this.draw(); }
    else if (['ArrowLeft', 'h', 'a'].includes(event.key)) { const by = Math.min(step, this.from); this.from -= by; this.to -= by; this.draw(); }
    else if (['ArrowRight', 'l', 'd'].includes(event.key)) { const by = Math.min(step, page.columns.end - this.to); this.from += by; this.to += by; this.draw(); }
    else return;
    event.preventDefault(); event.stopPropagation();
  }
}
