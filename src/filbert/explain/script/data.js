// What the page carries: facts as JSON, arrays as deflated base64 that are unpacked when wanted.

const facts = JSON.parse(document.getElementById("facts").textContent);
const words = facts.words;
const size = facts.pieces.length;
const [shareBits, matchBits, valueBits] = facts.bits;
const shareTop = 2 ** shareBits - 1;
const arrays = {};

async function unpack(name) {
  const element = document.getElementById(`data-${name}`);
  const letters = atob(element.textContent);
  const packed = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) packed[at] = letters.charCodeAt(at);
  element.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Numbers of two bytes: first all the low bytes, then all the high ones.
function wide(bytes, from, count, Kind) {
  const numbers = new Kind(count);
  for (let at = 0; at < count; at += 1) {
    numbers[at] = bytes[from + at] | (bytes[from + count + at] << 8);
  }
  return numbers;
}

const sharesOf = (bytes) => (shareBits > 8 ? wide(bytes, 0, bytes.length / 2, Uint16Array) : bytes);

// Reads vectors that lie from a place on: the exponents of their steps, then their whole numbers.
function vectors(bytes, from, count, width, bits) {
  const exponents = wide(bytes, from, count, Int16Array);
  const start = from + 2 * count;
  const numbers = bits > 8 ? wide(bytes, start, count * width, Int16Array)
    : new Int8Array(bytes.buffer, start, count * width);
  const read = (at) => {
    const step = 2 ** (exponents[at] / 16);
    const values = Float64Array.from(
      numbers.subarray(at * width, (at + 1) * width), (whole) => whole * step);
    return { values, error: step / 2 };
  };
  return { read, end: start + count * width * (bits > 8 ? 2 : 1) };
}

const layers = new Map();
function layerOf(bytes) {
  const count = facts.heads * size;
  const kinds = {};
  let from = 0;
  for (const [kind, bits] of [["query", matchBits], ["key", matchBits], ["value", valueBits]]) {
    const { read, end } = vectors(bytes, from, count, facts.headWidth, bits);
    kinds[kind] = (head, token) => read(head * size + token);
    from = end;
  }
  return kinds;
}
function vectorsOf(layer) {
  if (!layers.has(layer)) layers.set(layer, unpack(`vectors-${layer}`).then(layerOf));
  return layers.get(layer);
}

const cellOf = (layer, head, row, column) =>
  ((layer * facts.heads + head) * size + row) * size + column;
const share = (layer, head, row, column) =>
  (arrays.attention[cellOf(layer, head, row, column)] / shareTop) ** 2;

// Only digits that are true: the last one is worth twice the error or more.
const decimals = (error, most) =>
  Math.max(0, Math.min(most, Math.floor(-Math.log10(2 * error + 1e-12) + 1e-9)));
const signed = (text) => text.replace("-", "\u2212");
const rounded = (value, error, most = 3) => {
  const text = value.toFixed(decimals(error, most));
  return signed(Number(text) === 0 ? text.replace("-", "") : text);
};
function percent(part) {
  const digits = decimals(100 * (Math.sqrt(part) + 0.25 / shareTop) / shareTop, 2);
  const text = (100 * part).toFixed(digits);
  const least = (10 ** -digits).toFixed(digits);
  return `${part > 0 && Number(text) === 0 ? `<${least}` : text}\u202f%`;
}

// Words with places for names; a place may take text or an element.
function phrase(template, values) {
  return template.split(/(\{\w+\})/).filter(Boolean).map((part) => {
    const name = part.startsWith("{") ? part.slice(1, -1) : "";
    return name in values ? values[name] : part;
  });
}
const sentence = (template, values) => phrase(template, values).join("");

function make(tag, properties = {}, ...inside) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...inside);
  return element;
}

// A token's name; where the text has it more than once, with its place.
const often = new Set(facts.pieces.filter((name, at) => facts.pieces.indexOf(name) !== at));
function piece(token) {
  const name = facts.pieces[token];
  const nth = often.has(name) ? [make("small", {}, ` ${token + 1}`)] : [];
  return make("bdi", { className: "piece" }, name, ...nth);
}
