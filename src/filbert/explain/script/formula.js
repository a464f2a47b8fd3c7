// One cell of one map, step by step, with the model's own numbers.

const LARGEST = 4;
const byAmount = (values) => [...values.keys()].sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
const factor = (value, error) => {
  const text = rounded(value, error);
  return text.startsWith("\u2212") ? `(${text})` : text;
};
const times = (a, b, error) => `${factor(a, error)} × ${factor(b, error)}`;

function startFormula() {
  const host = document.getElementById("formula");
  const step = (number, title) => {
    const box = make("section", { className: "step" }, make("h3", {}, `${number} · ${title}`));
    host.append(box);
    return box;
  };
  const one = step(1, words.step_product);
  const [queryStrip, keyStrip, productStrip] = [new Strip(one), new Strip(one), new Strip(one)];
  const product = one.appendChild(make("div"));
  const two = step(2, words.step_scale).appendChild(make("div"));
  const three = step(3, words.step_softmax).appendChild(make("div"));
  const four = step(4, words.step_value);
  const [valueStrip, weightedStrip, outputStrip] =
    [new Strip(four), new Strip(four), new Strip(four)];
  const value = four.appendChild(make("div"));
  const table = make("div", { className: "scroll" });
  const all = make("details", {}, make("summary", {}, words.all_numbers), table);
  host.append(all);
  let filled = () => {};
  all.addEventListener("toggle", () => filled());

  async function draw() {
    const { layer, head, row, column } = chosen;
    const read = await vectorsOf(layer);
    if (layer !== chosen.layer || head !== chosen.head || row !== chosen.row
      || column !== chosen.column) return; // somebody chose again while these were unpacked
    const cell = reckon(read, layer, head, row, column);
    document.getElementById("formula-name").replaceChildren(
      `${sentence(words.map_name, { layer: layer + 1, head: head + 1 })}: `, piece(row),
      ` ${words.looks_at} `, piece(column));

    const names = { query: phrase(words.query_of, { token: piece(row) }),
      key: phrase(words.key_of, { token: piece(column) }) };
    queryStrip.show(names.query, cell.query.values, { error: cell.query.error });
    keyStrip.show(names.key, cell.key.values, { error: cell.key.error });
    productStrip.show([words.product_of], cell.products, { error: cell.productError });
    product.replaceChildren(...productLines(cell));
    two.replaceChildren(make("p", { className: "sum" },
      `${rounded(cell.dot, cell.dotError)} ÷ √${facts.headWidth} = `,
      make("strong", {}, rounded(cell.scores[column], cell.scoreError))));
    three.replaceChildren(...softmaxLines(cell, column));
    const top = Math.max(1e-9, ...cell.value.values.map(Math.abs));
    valueStrip.show(phrase(words.value_of, { token: piece(column) }), cell.value.values,
      { top, error: cell.value.error });
    weightedStrip.show([sentence(words.weighted_of, { share: percent(cell.shares[column]) })],
      cell.value.values.map((number) => number * cell.shares[column]),
      { top, error: cell.value.error });
    outputStrip.show([words.output_of], cell.output,
      { top: Math.max(top, ...cell.output.map(Math.abs)), error: cell.outputError });
    value.replaceChildren(...valueLines(cell));
    filled = () => { if (all.open) table.replaceChildren(numbersTable(cell)); };
    filled();
  }
  follow(["layer", "head", "row", "column"], draw, host);
}

function reckon(read, layer, head, row, column) {
  const [query, key] = [read.query(head, row), read.key(head, column)];
  const value = read.value(head, column);
  const products = query.values.map((number, at) => number * key.values[at]);
  const highest = Math.max(...query.values.map(Math.abs), ...key.values.map(Math.abs));
  const scores = new Float64Array(size).fill(-Infinity);
  const shares = new Float64Array(size);
  const output = new Float64Array(facts.headWidth);
  const values = [];
  let outputError = 0;
  for (let other = 0; other < size; other += 1) {
    shares[other] = share(layer, head, row, other);
    const near = facts.windows[layer];
    if (!near || Math.abs(other - row) <= near) {
      const keys = read.key(head, other).values;
      let dot = 0;
      for (let at = 0; at < keys.length; at += 1) dot += query.values[at] * keys[at];
      scores[other] = dot / Math.sqrt(facts.headWidth);
    }
    const vector = read.value(head, other);
    values.push(vector.values);
    outputError += shares[other] * vector.error
      + (Math.sqrt(shares[other]) + 0.25 / shareTop) / shareTop
      * Math.max(...vector.values.map(Math.abs));
    for (let at = 0; at < output.length; at += 1) output[at] += shares[other] * vector.values[at];
  }
  return {
    query, key, value, products, scores, shares, output, outputError, values,
    dot: scores[column] === -Infinity ? products.reduce((a, b) => a + b, 0)
      : scores[column] * Math.sqrt(facts.headWidth),
    numberError: Math.max(query.error, key.error),
    productError: highest * (query.error + key.error),
    scoreError: facts.scoreErrors[layer][head],
    dotError: facts.scoreErrors[layer][head] * Math.sqrt(facts.headWidth),
  };
}

function productLines(cell) {
  const order = byAmount(cell.products).slice(0, LARGEST);
  const rest = cell.dot - order.reduce((sum, at) => sum + cell.products[at], 0);
  const entries = order.map((at) => make("li", {},
    `${sentence(words.number_short, { number: at + 1 })}: `,
    `${times(cell.query.values[at], cell.key.values[at], cell.numberError)} = `,
    make("strong", {}, rounded(cell.products[at], cell.productError))));
  entries.push(make("li", {}, `${words.rest}: `, rounded(rest, cell.dotError)));
  return [
    make("p", { className: "sum" }, sentence(words.product_line, { count: cell.products.length }),
      " ", make("strong", {}, rounded(cell.dot, cell.dotError))),
    make("p", { className: "small" }, words.largest),
    make("ul", { className: "terms" }, ...entries),
  ];
}

function softmaxLines(cell, column) {
  if (cell.scores[column] === -Infinity) return [make("p", {}, words.outside)];
  const seen = [...cell.scores.keys()].filter((at) => cell.scores[at] > -Infinity);
  const powers = cell.scores.map(Math.exp);
  const total = powers.reduce((a, b) => a + b, 0);
  const order = seen.sort((a, b) => powers[b] - powers[a]);
  const shown = order.slice(0, 5);
  if (!shown.includes(column)) shown.push(column);
  const digits = Math.max(1, Math.min(4, decimals(cell.scoreError, 4) + 1));
  const power = (value) => signed(value.toPrecision(digits));
  const line = (name, score, amount, part, bold) => make("tr", { className: bold ? "chosen" : "" },
    make("th", { scope: "row" }, name), ...[score, amount, part].map((text) =>
      make("td", { className: "number" }, text)));
  const rows = shown.map((at) => line(piece(at), rounded(cell.scores[at], cell.scoreError),
    power(powers[at]), percent(powers[at] / total), at === column));
  const rest = order.length - shown.length;
  if (rest > 0) {
    const others = total - shown.reduce((sum, at) => sum + powers[at], 0);
    rows.push(line(sentence(words.others, { count: rest }), "", power(others),
      percent(others / total)));
  }
  const head = make("tr", {}, ...["token", "score", "power", "share"].map((name, at) =>
    make("th", { scope: "col", className: at ? "number" : "" }, words[name])));
  return [
    make("p", {}, sentence(words.softmax_line, { count: order.length })),
    make("div", { className: "scroll" },
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))),
    make("p", { className: "sum" }, `${power(powers[column])} ÷ ${power(total)} = `,
      make("strong", {}, percent(powers[column] / total)),
      ` (${sentence(words.model_says, { share: percent(cell.shares[column]) })})`),
  ];
}

function valueLines(cell) {
  const number = byAmount(cell.output)[0];
  const terms = cell.values.map((vector, at) => cell.shares[at] * vector[number]);
  const order = byAmount(terms).slice(0, LARGEST);
  const rest = cell.output[number] - order.reduce((sum, at) => sum + terms[at], 0);
  const off = cell.value.error;
  const entries = order.map((at) => make("li", {}, piece(at),
    `: ${percent(cell.shares[at])} × ${factor(cell.values[at][number], off)} = `,
    make("strong", {}, rounded(terms[at], off))));
  if (cell.values.length > LARGEST) {
    entries.push(make("li", {}, `${words.rest}: `, rounded(rest, cell.outputError)));
  }
  return [
    make("p", { className: "sum" }, `${sentence(words.value_line, { number: number + 1 })} `,
      make("strong", {}, rounded(cell.output[number], cell.outputError))),
    make("ul", { className: "terms" }, ...entries),
  ];
}

function numbersTable(cell) {
  const names = ["", "q", "k", "q × k", "v", words.output_of];
  const head = make("tr", {}, ...names.map((name) =>
    make("th", { scope: "col", className: "number" }, name)));
  const rows = cell.products.reduce((lines, product, at) => {
    const texts = [rounded(cell.query.values[at], cell.query.error),
      rounded(cell.key.values[at], cell.key.error), rounded(product, cell.productError),
      rounded(cell.value.values[at], cell.value.error),
      rounded(cell.output[at], cell.outputError)];
    lines.push(make("tr", {}, make("th", { scope: "row", className: "number" }, String(at + 1)),
      ...texts.map((text) => make("td", { className: "number" }, text))));
    return lines;
  }, []);
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}
