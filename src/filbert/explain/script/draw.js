// Drawing on canvas, in the page's own colours.

const theme = {};
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const numbers = (name) => value(name).split(/\s+/).map(Number);
  theme.blue = numbers("--blue");
  theme.orange = numbers("--orange");
  theme.ink = value("--ink");
  theme.quiet = value("--quiet");
  theme.rule = value("--rule");
  theme.paper = value("--paper");
  theme.font = value("--plain");
}

// A canvas of so many CSS pixels, sharp on any screen; its context is scaled to them.
function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// size × size pixels, one a cell: the shade is the root of the share.
function paintCells(canvas, roots, from) {
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  const [red, green, blue] = theme.blue;
  for (let at = 0; at < size * size; at += 1) {
    image.data[4 * at] = red;
    image.data[4 * at + 1] = green;
    image.data[4 * at + 2] = blue;
    image.data[4 * at + 3] = (255 * roots[from + at]) / shareTop;
  }
  context.putImageData(image, 0, 0);
}

// A vector as a row of bars, blue above the line and orange below; one of them may be marked.
class Strip {
  constructor(host, pick) {
    this.name = make("span", { className: "strip-name" });
    this.about = make("span", { className: "strip-about" });
    this.canvas = make("canvas", { className: "strip" });
    this.canvas.setAttribute("role", "img");
    host.append(make("div", { className: "strip-row" },
      make("p", { className: "strip-label" }, this.name, this.about), this.canvas));
    if (pick) {
      this.canvas.addEventListener("pointerdown", (event) => {
        const box = this.canvas.getBoundingClientRect();
        const at = Math.floor(((event.clientX - box.left) / box.width) * this.values.length);
        pick(Math.max(0, Math.min(this.values.length - 1, at)));
      });
    }
    this.width = 0;
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.width) return;
      this.width = width;
      if (this.values) this.draw();
    }).observe(this.canvas.parentElement);
  }

  // top: what the highest bar stands for, so that strips can share a scale.
  show(name, values, { top = null, marked = -1, error = 0 } = {}) {
    Object.assign(this, { values, marked, top: top || Math.max(1e-9, ...values.map(Math.abs)) });
    const length = Math.hypot(...values);
    const told = {
      count: values.length,
      length: rounded(length, error * Math.sqrt(values.length), 2),
      low: rounded(Math.min(...values), error, 2),
      high: rounded(Math.max(...values), error, 2),
    };
    this.name.replaceChildren(...name);
    this.about.textContent = `${words.length} ${told.length} · ${told.low} … ${told.high}`;
    this.canvas.setAttribute("aria-label",
      sentence(words.strip, { name: this.name.textContent, ...told }));
    if (this.width) this.draw();
  }

  draw() {
    const height = 44;
    const context = sized(this.canvas, this.width, height);
    const middle = height / 2;
    const step = this.width / this.values.length;
    const broad = Math.max(step - (step > 6 ? 1 : 0), 0.5);
    if (this.marked >= 0) {
      context.fillStyle = theme.rule;
      context.fillRect(this.marked * step - 1, 0, Math.max(step, 1) + 2, height);
    }
    for (const [sign, colour] of [[1, theme.blue], [-1, theme.orange]]) {
      context.fillStyle = `rgb(${colour.join(" ")})`;
      this.values.forEach((value, at) => {
        const tall = ((sign * value) / this.top) * (middle - 1);
        if (tall > 0) context.fillRect(at * step, sign > 0 ? middle - tall : middle, broad, tall);
      });
    }
    context.fillStyle = theme.quiet;
    context.fillRect(0, middle - 0.5, this.width, 0.5);
  }
}
