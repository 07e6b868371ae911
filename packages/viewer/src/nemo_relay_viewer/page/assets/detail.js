// What a row opens to.
const TABS = ['Talk', 'Request', 'Response', 'Diff', 'Marks', 'Raw'];
const LINES = 14;
let tab = 'Talk', opened = 0;

function block(head, text, kind, lines = LINES) {
  const made = make('div', undefined, 'msg ' + kind);
  if (head) made.append(make('h3', head));
  const all = String(text).split('\n');
  const pre = make('pre', all.length > lines + 2 ? all.slice(0, lines).join('\n') : text);
  if (text) made.append(pre);
  if (all.length > lines + 2) {
    const more = make('button', `${all.length - lines} lines more`);
    more.type = 'button';
    more.addEventListener('click', () => { pre.textContent = shown(text); more.remove(); });
    made.append(more);
  }
  return made;
}
function message([role, parts], fresh) {
  const made = [];
  for (const [kind, text, name, id, failed] of parts) {
    const head = kind === 'call' ? `assistant calls ${name}` : kind === 'result' ? `tool ${name || id}${failed ? ' failed' : ''}`
      : kind === 'reasoning' ? 'reasoning' : role;
    const known = ['system', 'user', 'assistant', 'tool'].includes(role) ? role : 'other';
    made.push(block(head + (fresh ? ' \u2014 new' : ''), pretty(text), `r-${known}${failed ? ' failed' : ''}${fresh ? ' new' : ''}`, kind === 'reasoning' ? 3 : LINES));
  }
  return made.length ? made : [block(`${role} (empty)`, '', 'r-other')];
}
const all = async (numbers, fresh) => (await Promise.all(numbers.map(messageOf))).flatMap(one => message(one, fresh));
const errorOf = body => {
  const meta = body.e && body.e.metadata || {}, text = page.columns.error[opened];
  return text ? [block('error', [text, meta['exception.stacktrace']].filter(Boolean).join('\n'), 'failed')] : [];
};
const value = (head, data) => data === undefined || data === null ? [] : [block(head, pretty(data), 'r-other')];

const makers = {
  async Talk(row, body) {
    const talk = body.t;
    if (!talk || !('b' in talk)) return [...(talk ? await all(talk.m) : value('input', await whole(body.s && body.s.data))), ...errorOf(body), ...value('output', await whole(body.o ?? (body.e && body.e.data)))];
    const made = [], kept = talk.k || 0;
    if (kept) {
      const old = make('button', `${kept} earlier messages, seen in the previous request` + (talk.r ? `; ${talk.r} of them stand in earlier events only` : ''));
      old.type = 'button';
      old.addEventListener('click', async () => old.replaceWith(...await all(talk.m.slice(0, kept))));
      made.push(old);
    }
    if (talk.w) made.push(make('p', `history rewritten: ${talk.w} messages of the previous request are gone`, 'warn'));
    for (const [names, what] of [[talk.ta, 'added or changed'], [talk.tr, 'removed or changed']]) if (names) made.push(make('p', `tools ${what}: ${names.join(', ')}`, 'warn'));
    return [...made, ...await all((talk.m || []).slice(kept), talk.b >= 0), ...await all(talk.a || []), ...errorOf(body)];
  },
  async Request(row, body) {
    if (!body.t || !body.t.m) return value('input', await whole(body.s && body.s.data));
    const made = body.t.tools ? [make('p', `${body.t.tools.length} tools: ${body.t.tools.join(', ')}`, 'q')] : [];
    if (body.t.r) made.push(make('p', `the event holds ${body.t.m.length - body.t.r} of ${body.t.m.length} messages, the others stand in earlier ones`, 'warn'));
    return [...made, ...await all(body.t.m)];
  },
  async Response(row, body) {
    const talk = body.t && body.t.a ? await all(body.t.a) : value('output', await whole(body.e && body.e.data));
    return [...talk, ...errorOf(body)];
  },
  async Diff(row, body) {
    if (!body.t || !('b' in body.t)) return [make('p', 'a difference is shown for model calls', 'q')];
    if (body.t.b < 0) return [make('p', 'the first request of this agent', 'q')];
    const before = (await bodyOf(body.t.b)).t.m || [], now = body.t.m || [], kept = body.t.k || 0;
    const lines = async (numbers, sign, kind) => (await Promise.all(numbers.map(messageOf))).map(([role, parts]) => make('pre', [`${role}:`, ...parts.flatMap(part => part[1].split('\n'))].map(line => sign + line).join('\n'), kind));
    return [make('p', `${kept} messages are the same`, 'q'), ...await lines(before.slice(kept), '\u2212 ', 'del'), ...await lines(now.slice(kept), '+ ', 'add')];
  },
  async Marks(row) {
    const c = page.columns, found = [];
    for (let other = row + 1; other < c.uuid.length && c.depth[other] > c.depth[row]; other++) {
      if (c.parent[other] === row && c.flags[other] & 1) found.push(block(`${duration(c.start[other] - c.start[row])}  ${word(c.name[other])}`, pretty(await whole((await bodyOf(other)).s.data ?? '')), 'r-other'));
      if (found.length >= 200) break;
    }
    return found.length ? found : [make('p', 'no marks', 'q')];
  },
  async Raw(row, body) {
    return [...value('start', await whole(body.s)), ...value('end', await whole(body.e))];
  },
};

async function detail(row) {
  opened = row;
  const c = page.columns, box = element('body'), body = await bodyOf(row);
  const facts = [duration(c.length[row]), sign(row)];
  if (c.first[row] >= 0) facts.push(`first token ${duration(c.first[row])}`);
  if (c.in[row] || c.out[row]) facts.push(`${c.in[row].toLocaleString('en')} in${c.cached[row] ? ` (${c.cached[row].toLocaleString('en')} cached)` : ''}, ${c.out[row].toLocaleString('en')} out`, money(c.cost[row]));
  const made = await makers[tab](row, body);
  if (opened !== row) return;
  const head = make('h2', `${word(c.kind[row]) || 'mark'} ${word(c.name[row])}`);
  head.style.cssText = 'font-size:15px;margin:0';
  box.replaceChildren(head, make('p', facts.filter(Boolean).join(' \u00b7 '), 'q'), ...(page.content ? made : [make('p', 'this page was written without content', 'q')]));
  box.scrollTop = 0;
}

async function conversation(row) {
  const c = page.columns, box = element('talk');
  let agent = row;
  while (agent >= 0 && word(c.kind[agent]) !== 'agent' && c.parent[agent] >= 0) agent = c.parent[agent];
  const calls = [];
  for (let other = agent; other < c.uuid.length && (other === agent || c.depth[other] > c.depth[agent]); other++) {
    if (other !== agent && word(c.kind[other]) === 'agent') { const depth = c.depth[other]; while (other + 1 < c.uuid.length && c.depth[other + 1] > depth) other++; continue; }
    if (word(c.kind[other]) === 'llm') calls.push(other);
  }
  box.replaceChildren(make('h2', `${word(c.name[agent])}: ${calls.length} model calls`));
  for (const call of calls.slice(0, 300)) {
    const body = await bodyOf(call), talk = body.t || {};
    const fresh = await Promise.all((talk.m || []).slice(talk.k || 0).map(messageOf));
    const group = make('div');
    group.append(...fresh.filter(one => talk.b < 0 || one[0] !== 'assistant').flatMap(one => message(one)), ...await all(talk.a || []));
    if (c.error[call]) group.append(block('error', c.error[call], 'failed'));
    box.append(group);
  }
  if (calls.length > 300) box.append(make('p', `${calls.length - 300} calls more`, 'warn'));
}

function costs() {
  const box = element('cost'), { groups, sums } = page;
  box.replaceChildren();
  for (const kind of ['agent', 'model', 'tool']) {
    const table = make('table'), head = make('tr');
    for (const title of [`by ${kind}`, 'calls', 'fresh', 'cached', 'written', 'out', 'cost']) { const th = make('th', title); th.scope = 'col'; head.append(th); }
    table.append(head);
    const entries = Object.entries(groups[kind]);
    if (kind === 'agent') entries.push(['all', sums]);
    for (const [name, one] of entries) {
      const line = make('tr'), first = make('td'), button = make('button', name);
      button.type = 'button';
      button.addEventListener('click', () => { element('filter').value = name === 'all' ? 'kind:llm' : kind === 'model' ? `model:"${name}"` : kind === 'tool' ? `name:"${name}"` : `agent:"${name.split(' / ').pop()}" kind:llm`; filter(); view('tree'); });
      first.append(button); line.append(first);
      for (const number of [one.llm, one.fresh, one.cached, one.written, one.out]) line.append(make('td', number.toLocaleString('en')));
      line.append(make('td', money(one.cost) + (one.cost !== null && one.unpriced ? ` + ${one.unpriced} without price` : '')));
      table.append(line);
    }
    box.append(table);
  }
  box.append(make('p', `${sums.uncounted} calls without usage, ${sums.unpriced} without a price. fresh + cached + written are all input tokens; a tool has the model calls below it.`, 'q'));
}
