// The attention maps: choose a layer, an attention head and a token. No page needs this script to
// be read; it is allowed by its hash in the content policy and touches nothing but its own figures.
"use strict";

const SHADES = 15;
const level = (share) => Math.round(SHADES * Math.sqrt(share));
// The weights came as bytes: whole percents are what they are good for.
const percent = (share) =>
  (share > 0 && share < 0.005 ? "<1" : (100 * share).toFixed(0)) + "\u202f%";

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return Float32Array.from(bytes, (byte) => (byte / 255) ** 2);
}

function choice(figure, name, label, count) {
  const group = document.createElement("fieldset");
  const legend = group.appendChild(document.createElement("legend"));
  legend.textContent = label;
  const row = group.appendChild(document.createElement("div"));
  row.className = "pills";
  for (let at = -1; at < count; at += 1) {
    const pill = row.appendChild(document.createElement("label"));
    const radio = pill.appendChild(document.createElement("input"));
    radio.type = "radio";
    radio.name = name;
    radio.value = String(at);
    radio.checked = at === -1;
    const shown = pill.appendChild(document.createElement("span"));
    shown.textContent = at === -1 ? figure.dataset.mean : String(at + 1);
  }
  return group;
}

async function start(figure, number) {
  const weights = await unpack(figure.dataset.weights);
  const [depth, heads, size] = figure.dataset.shape.split(",").map(Number);
  const chips = [...figure.querySelectorAll(".chip")];
  const names = chips.map((chip) => chip.textContent);
  const cells = figure.querySelector(".cells");
  const paths = [...cells.querySelectorAll("path")];
  const rows = [...figure.querySelectorAll(".rows text")];
  const columns = [...figure.querySelectorAll(".columns text")];
  const cursor = cells.querySelector(".cursor");
  const readout = figure.querySelector(".readout");
  const map = figure.querySelector(".map");
  const buttons = chips.map((chip) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...chip.childNodes);
    chip.replaceWith(button);
    return button;
  });
  let layer = -1;
  let head = -1;
  let token = -1;
  let view = new Float32Array(size * size);

  function choose() {
    const pairs = size * size;
    view = new Float32Array(pairs);
    let count = 0;
    for (let l = 0; l < depth; l += 1) {
      if (layer !== -1 && l !== layer) continue;
      for (let h = 0; h < heads; h += 1) {
        if (head !== -1 && h !== head) continue;
        count += 1;
        const from = (l * heads + h) * pairs;
        for (let at = 0; at < pairs; at += 1) view[at] += weights[from + at];
      }
    }
    for (let at = 0; at < pairs; at += 1) view[at] /= count;
    const drawn = Array.from({ length: SHADES + 1 }, () => "");
    for (let at = 0; at < pairs; at += 1) {
      drawn[level(view[at])] += `M${at % size} ${Math.floor(at / size)}h1v1h-1z`;
    }
    paths.forEach((path, at) => path.setAttribute("d", drawn[at]));
    show();
  }

  function show() {
    const shares = new Float32Array(size);
    for (let to = 0; to < size; to += 1) {
      if (token !== -1) {
        shares[to] = view[token * size + to];
      } else {
        for (let from = 0; from < size; from += 1) shares[to] += view[from * size + to] / size;
      }
    }
    buttons.forEach((button, at) => {
      button.className = `chip a${level(shares[at])}`;
      button.setAttribute("aria-pressed", String(at === token));
      button.title = percent(shares[at]);
    });
    rows.forEach((text, at) => text.classList.toggle("chosen", at === token));
    if (token === -1) {
      readout.textContent = figure.dataset.received;
      return;
    }
    const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, 3);
    readout.replaceChildren(isolated(names[token]), ` ${figure.dataset.looks} `);
    order.forEach((to, at) => {
      readout.append(at ? ", " : "", isolated(names[to]), ` ${percent(shares[to])}`);
    });
  }

  function isolated(text) {
    const shell = document.createElement("bdi");
    shell.className = "piece";
    shell.textContent = text;
    return shell;
  }

  function point(from, to) {
    const inside = from >= 0 && to >= 0 && from < size && to < size;
    rows.forEach((text, at) => text.classList.toggle("near", inside && at === from));
    columns.forEach((text, at) => text.classList.toggle("near", inside && at === to));
    if (!inside) {
      cursor.setAttribute("display", "none");
      show();
      return;
    }
    cursor.removeAttribute("display");
    cursor.setAttribute("x", to);
    cursor.setAttribute("y", from);
    const share = percent(view[from * size + to]);
    readout.replaceChildren(isolated(names[from]), " → ", isolated(names[to]), ` ${share}`);
  }

  const choices = figure.querySelector(".choices");
  choices.append(
    choice(figure, `layer-${number}`, figure.dataset.layer, depth),
    choice(figure, `head-${number}`, figure.dataset.head, heads),
  );
  choices.hidden = false;
  choices.addEventListener("change", (event) => {
    if (event.target.name.startsWith("layer")) layer = Number(event.target.value);
    else head = Number(event.target.value);
    choose();
  });
  buttons.forEach((button, at) =>
    button.addEventListener("click", () => {
      token = token === at ? -1 : at;
      show();
    }),
  );
  map.addEventListener("pointermove", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY);
    const { x, y } = place.matrixTransform(cells.getScreenCTM().inverse());
    point(Math.floor(y), Math.floor(x));
  });
  map.addEventListener("pointerleave", () => point(-1, -1));
  choose();
  figure.dataset.ready = "yes";
}

document.querySelectorAll("figure.attention").forEach(start);
