// Keys, search, filter, links.
let tree, timeline, hits = [], pending = '', lastError = -1;
const KEYS = [['j k \u2191 \u2193', 'move'], ['g G Home End', 'first, last'], ['h l \u2190 \u2192 space', 'close, open'], ['z1 \u2026 z9 zR zM', 'to a level, all, none'], ['Enter, Esc', 'into the details, back'],
  ['1 \u2026 6', 'talk, request, response, difference, marks, events'], ['/ n N', 'find; Enter looks through all text'], ['f F', 'filter; off'], ['e E', 'next, previous error'], ['w', 'to what went wrong'],
  ['] [', 'next, previous of this kind and name'], ['t c $', 'timeline, conversation, cost'], ['.', 'framework steps'], ['y', 'copy the event'], ['?', 'keys']];
const say = text => { element('status').textContent = shown(text); };

function choose(row, note = true) {
  if (tree.row !== row) tree.reveal(row);
  detail(row);
  if (!element('talk').hidden) conversation(row);
  const hash = '#' + encodeURIComponent(page.columns.uuid[row]) + (tab === 'Talk' ? '' : '/' + tab.toLowerCase());
  if (location.hash !== hash) history[note ? 'pushState' : 'replaceState'](null, '', hash);
}
function move(position) { tree.go(position); clearTimeout(move.timer); move.timer = setTimeout(() => choose(tree.row, false), 60); }
function fromHash() {
  let uuid, wanted;
  try { [uuid, wanted] = decodeURIComponent(location.hash.slice(1)).split('/'); } catch { return false; }
  const row = uuid ? page.columns.uuid.findIndex(one => one.startsWith(uuid)) : -1;
  if (row < 0) return false;
  const found = TABS.find(one => one.toLowerCase() === wanted);
  setTab(found || 'Talk');
  tree.reveal(row); detail(row);
  return true;
}
function setTab(name) {
  tab = name;
  for (const button of element('tabs').children) { button.setAttribute('aria-selected', String(button.textContent === name)); button.tabIndex = button.textContent === name ? 0 : -1; }
}
function view(name) {
  for (const one of ['tree', 'time', 'talk', 'cost']) {
    element(one).hidden = one !== name;
    const button = element('v-' + one);
    button.setAttribute('aria-selected', String(one === name)); button.tabIndex = one === name ? 0 : -1;
  }
  if (name === 'tree') { tree.draw(); tree.go(tree.at); }
  if (name === 'time') { timeline.draw(); element('canvasbox').focus(); }
  if (name === 'talk') { conversation(tree.row); element('talk').focus(); }
  if (name === 'cost') { costs(); element('cost').focus(); }
}
function words(text) { return [...text.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/gi)].map(found => [found[1] === '-', (found[2] || '').toLowerCase(), found[3] ?? found[4]]); }
function test(key, value) {
  const c = page.columns, glob = text => { const parts = text.toLowerCase().split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')); return new RegExp('^' + parts.join('.*') + '$'); };
  const column = { kind: c.kind, name: c.name, model: c.model, outcome: c.outcome }[key];
  if (column) { const wanted = glob(value); return row => wanted.test(word(column[row]).toLowerCase()); }
  if (key === 'agent') { const wanted = glob(value); return row => { for (let above = c.parent[row]; above >= 0; above = c.parent[above]) if (word(c.kind[above]) === 'agent') return wanted.test(word(c.name[above]).toLowerCase()); return false; }; }
  if (key) return null;
  const number = /^(\$|tok)?([<>])([\d.]+)(ms|s|m|k|M)?$/.exec(value);
  if (number) {
    const [, what, sign, digits, unit] = number, limit = Number(digits) * (what === 'tok' ? { k: 1e3, M: 1e6 }[unit] || 1 : what ? 1 : { ms: 1e3, m: 6e7 }[unit] || 1e6);
    const of = what === '$' ? row => c.cost[row] || 0 : what ? row => c.in[row] + c.out[row] : row => c.length[row];
    return sign === '>' ? row => of(row) > limit : row => of(row) < limit;
  }
  const status = { error: 'e', cancelled: 'c' }[value];
  if (status) return row => c.status[row] === status;
  if (value === 'open') return row => word(c.outcome[row]) === 'open';
  if (value === 'ok') return row => c.status[row] === 'o' && word(c.outcome[row]) !== 'open' && !(c.flags[row] & 1);
  const wanted = value.toLowerCase();
  return row => (word(c.name[row]) + c.detail[row]).toLowerCase().includes(wanted);
}
function filter() {
  const tests = [], c = page.columns;
  for (const [not, key, value] of words(element('filter').value)) {
    const one = test(key, value);
    if (!one) return say(`${key}: is no filter; there is kind: name: model: outcome: agent: error ok open >1s $>0.01 tok>5k`);
    tests.push(not ? row => !one(row) : one);
  }
  tree.kept = tree.matches = null;
  if (tests.length) {
    tree.matches = new Set(); tree.kept = new Set();
    for (let row = 0; row < c.uuid.length; row++) if ((tree.everything || !(c.flags[row] & 2)) && tests.every(one => one(row))) {
      tree.matches.add(row);
      for (let above = row; above >= 0 && !tree.kept.has(above); above = c.parent[above]) tree.kept.add(above);
    }
  }
  tree.layout();
  say(tests.length ? `${tree.matches.size} of ${c.uuid.length} rows` : '');
}
function findNames(text) {
  const wanted = text.toLowerCase(), c = page.columns;
  hits = [];
  if (wanted) for (let row = 0; row < c.uuid.length; row++) if ((word(c.name[row]) + c.detail[row] + (c.error[row] || '')).toLowerCase().includes(wanted)) hits.push(row);
  say(wanted ? `${hits.length} found in names` : '');
}
async function findAll(text) {
  const wanted = JSON.stringify(text).slice(1, -1).toLowerCase(), kept = new Set(), found = new Set(hits);
  const scan = async (lines, each) => { for (let number = 0; number < lines.elements.length; number++) { say(`searching, ${Math.round(100 * number / lines.elements.length)} %`); (await expanded(lines.elements[number].textContent)).split('\n').forEach((line, at) => each(line, lines.offsets[number] + at)); } };
  await scan(messages, (line, at) => { if (line.toLowerCase().includes(wanted)) kept.add(at); });
  await scan(bodies, (line, row) => {
    if (line.toLowerCase().includes(wanted)) return void found.add(row);
    if (kept.size) for (const [, number] of line.matchAll(/"\$m":(\d+)/g)) if (kept.has(Number(number))) { found.add(row); break; }
  });
  hits = [...found].sort((a, b) => a - b);
  if (hits.length) jump(1); else say(`${text} is nowhere in this page`);
}
function jump(by, list = hits) {
  if (!list.length) return say('nothing found');
  const here = tree.row;
  const next = by > 0 ? list.find(row => row > here) ?? list[0] : list.findLast(row => row < here) ?? list.at(-1);
  choose(next); say(`${list.indexOf(next) + 1} of ${list.length}`);
}
function errors() {
  const c = page.columns, failed = Object.keys(c.error).map(Number), above = new Set(failed.map(row => c.parent[row]));
  return failed.filter(row => !above.has(row)).sort((a, b) => a - b);
}
function alike(by) {
  const c = page.columns, row = tree.row, found = [];
  for (let other = 0; other < c.uuid.length; other++) if (c.kind[other] === c.kind[row] && (word(c.kind[row]) === 'llm' || c.name[other] === c.name[row])) found.push(other);
  jump(by, found);
}
async function copy() {
  const body = await whole(await bodyOf(tree.row)), text = [body.s, body.e].filter(Boolean).map(one => JSON.stringify(one)).join('\n');
  try { await navigator.clipboard.writeText(text); say('copied'); } catch { say('the browser did not let the page copy: Raw shows the event'); }
}
async function save() {
  const lines = [];
  for (const number of page.columns.sequence) { const body = await bodyOf(number >> 1); lines.push(JSON.stringify(await whole(number & 1 ? body.e : body.s))); }
  const link = make('a'); link.href = URL.createObjectURL(new Blob([lines.join('\n') + '\n'], { type: 'application/x-ndjson' })); link.download = 'events.jsonl'; link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
function keyed(event) {
  const typing = event.target.tagName === 'INPUT', key = event.key;
  if (event.ctrlKey && key === 'f' && !typing) { event.preventDefault(); return element('find').focus(); }
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (typing) { if (key === 'Escape') view('tree'); return; }
  if (pending === 'z') { pending = ''; if (/[1-9]/.test(key)) tree.level_(Number(key)); else if (key === 'R') tree.level_(0); else if (key === 'M') tree.level_(1); return event.preventDefault(); }
  const inTree = event.target.closest('#tree'), inTabs = event.target.getAttribute('role') === 'tab';
  if (inTabs && (key === 'ArrowRight' || key === 'ArrowLeft')) { const list = [...event.target.parentElement.children], next = list[(list.indexOf(event.target) + (key === 'ArrowRight' ? 1 : -1) + list.length) % list.length]; next.click(); next.focus(); return event.preventDefault(); }
  const page_ = Math.max(1, Math.floor(tree.box.clientHeight / HEIGHT) - 1);
  const moves = { ArrowDown: () => move(tree.at + 1), ArrowUp: () => move(tree.at - 1), j: () => move(tree.at + 1), k: () => move(tree.at - 1), Home: () => move(0), End: () => move(Infinity), g: () => move(0), G: () => move(Infinity),
    PageDown: () => move(tree.at + page_), PageUp: () => move(tree.at - page_), ArrowRight: () => tree.right(), ArrowLeft: () => tree.left(), l: () => tree.right(), h: () => tree.left(), ' ': () => tree.turn(), Enter: () => { choose(tree.row); element('body').focus(); } };
  const others = { '/': () => element('find').focus(), f: () => element('filter').focus(), F: () => { element('filter').value = ''; filter(); }, n: () => jump(1), N: () => jump(-1), e: () => jump(1, errors()), E: () => jump(-1, errors()), w: () => page.verdict && choose(page.verdict[0]),
    ']': () => alike(1), '[': () => alike(-1), t: () => view('time'), c: () => view('talk'), $: () => view('cost'), z: () => { pending = 'z'; }, y: copy, '?': help, Escape: () => view('tree'),
    '.': () => { const row = tree.row; tree.everything = !tree.everything; tree.layout(); if (tree.place[row] >= 0) tree.go(tree.place[row]); say(tree.everything ? 'framework steps shown' : 'framework steps hidden'); } };
  const action = (inTree && moves[key]) || others[key] || (/^[1-6]$/.test(key) ? () => { setTab(TABS[Number(key) - 1]); choose(tree.row, false); } : null);
  if (action) { event.preventDefault(); action(); }
}
function help() { const box = element('keys'); box.hidden = !box.hidden; element('help').setAttribute('aria-expanded', String(!box.hidden)); }
function theme(name) { document.documentElement.dataset.theme = name; if (timeline) timeline.draw(); }

async function start() {
  page = JSON.parse(await expanded(blocksOf('index')[0].textContent));
  bodies = new Lines('rows', page.rows); messages = new Lines('messages', page.messages);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  theme(dark.matches ? 'dark' : 'light'); dark.addEventListener('change', () => theme(dark.matches ? 'dark' : 'light'));
  const { sums } = page;
  element('title').textContent = shown(page.title);
  element('sums').textContent = [`${duration(page.columns.end)}`, `${sums.llm} llm, ${short(sums.fresh + sums.cached + sums.written)} \u2192 ${short(sums.out)} tokens`, money(sums.cost), `${sums.tools} tools${sums.failed ? `, ${sums.failed} failed` : ''}`, sums.open ? `${sums.open} open` : ''].filter(Boolean).join(' \u00b7 ');
  if (page.verdict) { element('why').hidden = false; element('whygo').textContent = shown('why: ' + page.verdict[1]); element('whygo').addEventListener('click', () => choose(page.verdict[0])); }
  element('about').textContent = `${page.columns.uuid.length.toLocaleString('en')} rows \u00b7 recorded ${new Date(page.columns.begin / 1e3).toISOString().slice(0, 16).replace('T', ' ')} UTC \u00b7 loads nothing from a network \u00b7 ${page.redacted} values redacted`;
  for (const name of TABS) {
    const button = make('button', name);
    button.type = 'button'; button.setAttribute('role', 'tab'); button.setAttribute('aria-controls', 'body');
    button.addEventListener('click', () => { setTab(name); choose(tree.row, false); });
    element('tabs').append(button);
  }
  for (const [keys, text] of KEYS) { const line = make('div'); line.append(make('b', keys), document.createTextNode(text)); element('keys').append(line); }
  tree = new Tree(); timeline = new Timeline();
  setTab('Talk');
  for (const one of ['tree', 'time', 'talk', 'cost']) element('v-' + one).addEventListener('click', () => view(one));
  element('find').addEventListener('input', event => findNames(event.target.value));
  element('find').addEventListener('keydown', event => { if (event.key === 'Enter' && event.target.value) findAll(event.target.value); });
  element('filter').addEventListener('input', filter);
  element('filter').addEventListener('keydown', event => { if (event.key === 'Enter') view('tree'); });
  element('theme').addEventListener('click', () => theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
  element('help').addEventListener('click', help);
  element('save').addEventListener('click', save);
  document.addEventListener('keydown', keyed);
  addEventListener('popstate', fromHash); addEventListener('hashchange', fromHash);
  if (!fromHash() && tree.list.length) { tree.go(0, false); detail(tree.row); }
  document.documentElement.dataset.ready = 'yes';
}
start().catch(error => { say(`this page cannot be shown: ${error}`); document.documentElement.dataset.ready = 'failed'; });
