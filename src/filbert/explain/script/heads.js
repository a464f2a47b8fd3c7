// What each attention head looks for, and where all of them together lead.

const SHADES = 15;

function startMeasures() {
  const table = document.getElementById("heat");
  const list = document.getElementById("measure");
  const cells = [...table.querySelectorAll("tbody tr")].map((line, layer) =>
    [...line.querySelectorAll("td")].map((cell, head) => {
      const button = make("button", { type: "button" });
      const name = sentence(words.map_name, { layer: layer + 1, head: head + 1 });
      button.addEventListener("click", () => choose({ layer, head }));
      cell.replaceChildren(button);
      return { button, name };
    }));
  list.addEventListener("change", () => choose({ measure: list.value }));
  document.querySelectorAll(".strongest button").forEach((button) =>
    button.addEventListener("click", () =>
      choose({ layer: Number(button.dataset.layer), head: Number(button.dataset.head) })));
  let last = null;
  follow(["layer", "head", "measure"], () => {
    if (last) last.setAttribute("aria-pressed", "false");
    last = cells[chosen.layer][chosen.head].button;
    last.setAttribute("aria-pressed", "true");
  }, table);
  follow(["measure"], () => {
    const values = facts.measures[chosen.measure];
    const far = chosen.measure === "distance";
    const [low, high] = [Math.min(...values.flat()), Math.max(...values.flat())];
    cells.forEach((line, layer) => line.forEach(({ button, name }, head) => {
      const value = values[layer][head];
      const text = far ? value.toFixed(1) : (100 * value).toFixed(0);
      button.textContent = text;
      button.className = `a${Math.round(SHADES * (far ? (value - low) / (high - low || 1) : Math.sqrt(value)))}`;
      button.setAttribute("aria-label", `${name}: ${text}${far ? "" : "\u202f%"}`);
    }));
  }, table);
}

function startRollout() {
  const host = document.getElementById("rollout");
  const section = host.closest("section");
  const line = document.getElementById("rollout-line");
  const slide = document.getElementById("upto");
  const from = () => chosen.upto * size * size;
  const part = (row, column) => (arrays.rollout[from() + row * size + column] / shareTop) ** 2;
  const chips = facts.pieces.map((_, at) => {
    const chip = make("button", { type: "button", className: "chip" },
      make("bdi", {}, facts.pieces[at]));
    chip.addEventListener("click", () => choose({ row: at }));
    document.getElementById("rollout-tokens").append(make("li", {}, chip));
    return chip;
  });
  function tell(row, column) {
    line.replaceChildren(
      ...phrase(words.rollout_line, { token: piece(row), layer: chosen.upto + 1 }), " ");
    const order = column === undefined
      ? [...Array(size).keys()].sort((a, b) => part(row, b) - part(row, a)).slice(0, 3) : [column];
    order.forEach((at, place) =>
      line.append(place ? ", " : "", piece(at), ` ${percent(part(row, at))}`));
  }
  const map = new LargeMap(host, {
    source: () => [arrays.rollout, from()],
    hover: tell,
  });
  slide.addEventListener("input", () => choose({ upto: Number(slide.value) - 1 }));
  follow(["upto"], () => {
    slide.value = String(chosen.upto + 1);
    document.getElementById("upto-value").textContent = String(chosen.upto + 1);
    host.setAttribute("aria-label", sentence(words.rollout_name, { layer: chosen.upto + 1 }));
    map.update();
  }, section);
  follow(["row", "column", "upto"], () => {
    map.move();
    tell(chosen.row);
    chips.forEach((chip, at) => {
      const value = part(chosen.row, at);
      chip.className = `chip a${Math.round(SHADES * Math.sqrt(value))}`;
      chip.title = percent(value);
      chip.setAttribute("aria-pressed", String(at === chosen.row));
    });
  }, section);
}
