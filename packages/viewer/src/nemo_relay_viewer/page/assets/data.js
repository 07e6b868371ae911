// What the page holds: blocks of compressed lines, expanded when they are looked at.
const element = id => document.getElementById(id);
const blocksOf = kind => [...document.querySelectorAll(`script[data-kind=${kind}]`)];

async function expanded(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Response(stream).text();
}

class Lines {
  constructor(kind, offsets) {
    this.elements = blocksOf(kind);
    this.offsets = offsets;
    this.open = new Map();
  }
  async block(number) {
    let lines = this.open.get(number);
    if (!lines) {
      lines = (await expanded(this.elements[number].textContent)).split('\n');
      if (this.open.size >= 16) this.open.delete(this.open.keys().next().value);
    } else this.open.delete(number);
    this.open.set(number, lines);
    return lines;
  }
  async line(number) {
    let low = 0, high = this.offsets.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.offsets[middle] <= number) low = middle; else high = middle - 1;
    }
    return (await this.block(low))[number - this.offsets[low]];
  }
}

let page, rows, bodies, messages;

// References back to what they stand for; without recursion, a value may be nested very deep.
async function whole(value) {
  const made = { value };
  const waiting = [[made, 'value']];
  while (waiting.length) {
    const [holder, key] = waiting.pop();
    const item = holder[key];
    if (item === null || typeof item !== 'object') continue;
    if (!Array.isArray(item) && Object.keys(item).length === 1 && Number.isInteger(item.$m)) {
      holder[key] = JSON.parse(await messages.line(item.$m));
      continue;
    }
    for (const name of Object.keys(item)) waiting.push([item, name]);
  }
  return made.value;
}

const bodyOf = async row => JSON.parse(await bodies.line(row));
const messageOf = async number => JSON.parse(await messages.line(number));
const word = number => page.columns.words[number];

function duration(us) {
  if (us < 0) return '';
  if (us < 1000) return '<1 ms';
  if (us < 1e4) return (us / 1e3).toFixed(1) + ' ms';
  if (us < 1e6) return Math.round(us / 1e3) + ' ms';
  if (us < 6e7) return (us / 1e6).toFixed(2) + ' s';
  return Math.floor(us / 6e7) + ' m ' + Math.round(us % 6e7 / 1e6) + ' s';
}
const money = cost => cost === null || cost === undefined ? '\u2013' : '$' + cost.toFixed(cost >= 1 ? 2 : 4);
const short = n => n >= 1e6 ? (n / 1e6).toFixed(1) + 'M' : n >= 1e3 ? (n / 1e3).toFixed(1) + 'k' : String(n);

// Text of a run only ever gets here: control and bidirectional characters become visible.
function shown(text) {
  return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    sign => sign === '\u001b' ? '\u241b' : sign === '\r' ? '' : '\u27e8U+' + sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0') + '\u27e9');
}
function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = shown(text);
  if (kind) made.className = kind;
  return made;
}
const pretty = value => {
  if (typeof value === 'string') {
    try { const inner = JSON.parse(value); if (inner && typeof inner === 'object') return JSON.stringify(inner, null, 2); } catch { /* plain text */ }
    return value;
  }
  try { return JSON.stringify(value, null, 2); } catch { return '(nested too deep to show)'; }
};
