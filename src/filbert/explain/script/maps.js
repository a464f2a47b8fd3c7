// All attention heads as small maps, and one map large, with names, pointer and keys.

const STEPS = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  Home: [0, -1e9], End: [0, 1e9],
};
// Chinese letters stand upright, one below the other.
const UPRIGHT = /^[\u3400-\u9fff\u3001\u3002\uff01-\uff5e]{1,3}$/;
const within = (value, count) => Math.max(0, Math.min(count - 1, value));

function startGrid() {
  const grid = document.getElementById("grid");
  grid.setAttribute("aria-label", sentence(words.grid, { layers: facts.depth, heads: facts.heads }));
  grid.style.setProperty("--heads", facts.heads);
  const buttons = [];
  const drawLayer = (layer) => buttons[layer].forEach((button, head) =>
    paintCells(button.firstChild, arrays.attention, cellOf(layer, head, 0, 0)));

  for (let layer = 0; layer < facts.depth; layer += 1) {
    const row = make("div", { className: "grid-row" });
    row.setAttribute("role", "row");
    const header = make("span", { className: "grid-name" }, String(layer + 1));
    header.setAttribute("role", "rowheader");
    row.append(header);
    buttons.push(Array.from({ length: facts.heads }, (_, head) => {
      const button = make("button", { type: "button", className: "thumb", tabIndex: -1 },
        make("canvas"));
      button.setAttribute("role", "gridcell");
      const name = sentence(words.map_name, { layer: layer + 1, head: head + 1 });
      button.setAttribute("aria-label", name);
      button.title = name;
      button.addEventListener("click", () => choose({ layer, head }));
      row.append(button);
      return button;
    }));
    grid.append(row);
  }
  grid.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const layer = within(chosen.layer + step[0], facts.depth);
    const head = within(chosen.head + step[1], facts.heads);
    choose({ layer, head });
    buttons[layer][head].focus();
  });
  let last = null;
  follow(["layer", "head"], () => {
    const button = buttons[chosen.layer][chosen.head];
    if (last) {
      last.tabIndex = -1;
      last.setAttribute("aria-selected", "false");
    }
    button.tabIndex = 0;
    button.setAttribute("aria-selected", "true");
    last = button;
  });
  // A layer at a time, so that a click in between need not wait for all of them.
  let drawing = 0;
  follow([], () => {
    const mine = drawing += 1;
    const next = (layer) => {
      if (layer === facts.depth || mine !== drawing) return;
      drawLayer(layer);
      setTimeout(next, 0, layer + 1);
    };
    next(0);
  }, grid);
}

// A large map. source(): where its roots lie; hover(row, column): what to say of a cell.
class LargeMap {
  constructor(host, { source, hover }) {
    Object.assign(this, { host, source, hover, over: null, wide: 0, cell: 0, started: false });
    this.labels = [make("canvas", { className: "map-rows" }),
      make("canvas", { className: "map-columns" })];
    this.near = [new Set(), new Set()];
    this.cells = make("canvas");
    this.lines = make("div", { className: "map-lines" });
    this.cursor = make("div", { className: "map-cursor" });
    this.spot = make("div", { className: "map-spot", hidden: true });
    this.stage = make("div", { className: "map-stage" },
      this.cells, this.lines, this.spot, this.cursor);
    host.append(make("div", { className: "map-corner" }), this.labels[1], this.labels[0],
      this.stage);
    host.tabIndex = 0;
    host.setAttribute("role", "application");
    host.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("pointermove", (event) => this.point(event));
    this.stage.addEventListener("pointerleave", () => this.leave());
    this.stage.addEventListener("click", (event) => {
      const [row, column] = this.cellAt(event);
      choose({ row, column });
    });
    new ResizeObserver(() => {
      if (host.clientWidth === this.wide) return;
      this.wide = host.clientWidth;
      this.cell = 0;
      if (this.started) this.update();
    }).observe(host);
  }

  cellAt(event) {
    const box = this.stage.getBoundingClientRect();
    return [within(Math.floor((event.clientY - box.top) / this.cell), size),
      within(Math.floor((event.clientX - box.left) / this.cell), size)];
  }

  point(event) {
    const [row, column] = this.cellAt(event);
    if (this.over && this.over[0] === row && this.over[1] === column) return;
    this.over = [row, column];
    this.spot.hidden = false;
    this.place(this.spot, row, column);
    this.markNames();
    this.hover(row, column);
  }

  leave() {
    this.over = null;
    this.spot.hidden = true;
    this.markNames();
    this.hover(chosen.row, chosen.column);
  }

  key(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    choose({
      row: within(chosen.row + step[0], size),
      column: within(chosen.column + step[1], size),
    });
    this.reveal();
  }

  place(mark, row, column) {
    mark.style.transform = `translate(${column * this.cell}px, ${row * this.cell}px)`;
    mark.style.width = `${this.cell}px`;
    mark.style.height = `${this.cell}px`;
  }

  // Scrolls the box, not the page, until the chosen cell can be seen.
  reveal() {
    const { host, cell, margin } = this;
    const fit = (scrolled, start, room) => (start < scrolled ? start
      : start + cell > scrolled + room ? start + cell - room : scrolled);
    host.scrollLeft = fit(host.scrollLeft, chosen.column * cell, host.clientWidth - margin);
    host.scrollTop = fit(host.scrollTop, chosen.row * cell, host.clientHeight - margin);
  }

  // Draw the cells anew, and all else if the room has changed.
  update() {
    this.started = true;
    if (!this.wide) return;
    if (!this.cell || this.theme !== chosen.theme) this.layOut();
    paintCells(this.cells, ...this.source());
    this.move();
  }

  move() {
    if (!this.cell) return;
    this.place(this.cursor, chosen.row, chosen.column);
    this.markNames();
  }

  layOut() {
    const context = this.labels[0].getContext("2d");
    context.font = `12px ${theme.font}`;
    const longest = Math.max(...facts.pieces.map((name) => context.measureText(name).width));
    this.margin = Math.ceil(Math.min(longest, this.wide < 500 ? 72 : 120)) + 12;
    // As large as the window lets it be seen whole; below that it scrolls.
    const room = Math.min(this.wide, 0.9 * window.innerHeight, 960) - this.margin;
    this.cell = Math.max(13, Math.min(36, Math.floor(room / size)));
    const whole = this.cell * size;
    this.host.style.gridTemplateColumns = `${this.margin}px ${whole}px`;
    this.host.style.gridTemplateRows = `${this.margin}px ${whole}px`;
    this.cells.style.width = `${whole}px`;
    this.cells.style.height = `${whole}px`;
    this.lines.style.backgroundSize = `${this.cell}px ${this.cell}px`;
    this.theme = chosen.theme;
    this.near = [new Set(), new Set()];
    this.pens = [sized(this.labels[0], this.margin, whole), sized(this.labels[1], whole, this.margin)];
    this.pens.forEach((pen, side) => {
      pen.textBaseline = "middle";
      facts.pieces.forEach((_, at) => this.name(side, at, false));
    });
  }

  markNames() {
    if (!this.cell) return;
    [chosen.row, chosen.column].forEach((place, side) => {
      const now = new Set(this.over ? [place, this.over[side]] : [place]);
      for (const at of this.near[side]) if (!now.has(at)) this.name(side, at, false);
      for (const at of now) if (!this.near[side].has(at)) this.name(side, at, true);
      this.near[side] = now;
    });
  }

  name(side, at, marked) {
    const { cell, margin } = this;
    const pen = this.pens[side];
    const tall = Math.min(12, cell - 1);
    const middle = (at + 0.5) * cell;
    const name = facts.pieces[at];
    pen.font = `${marked ? "700 " : ""}${tall}px ${theme.font}`;
    pen.fillStyle = marked ? theme.ink : theme.quiet;
    pen.save();
    pen.beginPath();
    if (side) pen.rect(at * cell, 0, cell, margin);
    else pen.rect(0, at * cell, margin, cell);
    pen.clip();
    pen.clearRect(0, 0, side ? cell * size : margin, side ? margin : cell * size);
    if (side && UPRIGHT.test(name)) {
      pen.textAlign = "center";
      [...name].reverse().forEach((letter, up) =>
        pen.fillText(letter, middle, margin - 12 - up * (tall + 1)));
    } else {
      pen.translate(side ? middle : margin - 6, side ? margin - 6 : middle);
      if (side) pen.rotate(-Math.PI / 2);
      pen.textAlign = side ? "left" : "right";
      pen.fillText(shortened(pen, name, margin - 10), 0, 0);
    }
    pen.restore();
  }
}

function shortened(context, name, room) {
  if (context.measureText(name).width <= room) return name;
  let letters = [...name];
  while (letters.length > 1 && context.measureText(`${letters.join("")}…`).width > room) {
    letters = letters.slice(0, -1);
  }
  return `${letters.join("")}…`;
}

function startMap() {
  const host = document.getElementById("map");
  const section = host.closest("section");
  const line = document.getElementById("map-line");
  function tell(row, column) {
    line.replaceChildren(piece(row), ` ${words.looks_at} `, piece(column), " ",
      make("strong", {}, percent(share(chosen.layer, chosen.head, row, column))));
  }
  const map = new LargeMap(host, {
    source: () => [arrays.attention, cellOf(chosen.layer, chosen.head, 0, 0)],
    hover: tell,
  });
  follow(["layer", "head"], () => {
    const { layer, head } = chosen;
    const name = sentence(words.map_name, { layer: layer + 1, head: head + 1 });
    document.getElementById("map-name").textContent = name;
    host.setAttribute("aria-label", name);
    const near = facts.windows[layer];
    document.getElementById("map-window").textContent =
      near ? sentence(words.window, { window: near }) : "";
    map.update();
  }, section);
  follow(["layer", "head", "row", "column"], () => {
    map.move();
    tell(chosen.row, chosen.column);
  }, section);

}
