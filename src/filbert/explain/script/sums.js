// The embeddings of the chosen token: each part, their sum, and what the norm makes of it.

function startSums(bytes) {
  const rows = facts.parts.length + 1;
  const { read } = vectors(bytes, 0, rows * size, facts.width, valueBits);
  const host = document.getElementById("sum-strips");
  const line = document.getElementById("sum-line");
  const slide = document.getElementById("sum-number");
  const pick = (number) => choose({ number });
  const strips = facts.parts.map(() => new Strip(host, pick));
  const [total, normed] = [new Strip(host, pick), new Strip(host, pick)];
  slide.addEventListener("input", () => pick(Number(slide.value) - 1));

  follow(["row", "number"], () => {
    const marked = chosen.number;
    const parts = facts.parts.map((_, at) => read(at * size + chosen.row));
    const norm = read((rows - 1) * size + chosen.row);
    const sum = parts[0].values.map((_, at) =>
      parts.reduce((so_far, { values }) => so_far + values[at], 0));
    const error = parts.reduce((so_far, part) => so_far + part.error, 0);
    let top = Math.max(1e-9, ...sum.map(Math.abs));
    parts.forEach(({ values }) => { top = Math.max(top, ...values.map(Math.abs)); });
    document.getElementById("sum-token").replaceChildren(piece(chosen.row));
    parts.forEach(({ values, error: off }, at) => strips[at].show(
      [words[`part_${facts.parts[at]}`]], values, { top, marked, error: off }));
    total.show(["= ", words.part_sum], sum, { top, marked, error });
    normed.show(["→ ", words.part_norm], norm.values, { marked, error: norm.error });

    const mean = sum.reduce((so_far, value) => so_far + value, 0) / sum.length;
    const deviation = Math.sqrt(
      sum.reduce((so_far, value) => so_far + (value - mean) ** 2, 0) / sum.length);
    const terms = parts.map(({ values, error: off }) => rounded(values[marked], off, 4));
    slide.value = String(marked + 1);
    line.textContent = sentence(words.sum_line, {
      number: marked + 1,
      terms: terms.map((term, at) => (at && term.startsWith("\u2212") ? `(${term})` : term))
        .join(" + "),
      sum: rounded(sum[marked], error, 4),
      norm: rounded(norm.values[marked], norm.error, 4),
      mean: rounded(mean, error, 4),
      deviation: rounded(deviation, error, 4),
    });
  }, host);
}
