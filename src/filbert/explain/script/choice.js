// What is chosen, and who follows: each picture names the choices that it shows.

const [startLayer, startHead, startRow, startColumn] = facts.start;
const chosen = {
  layer: startLayer, head: startHead, row: startRow, column: startColumn,
  number: 0, upto: facts.depth - 1, measure: "distance", theme: 0,
};
const followers = [];
const places = new Map();
const watch = new IntersectionObserver((entries) => entries.forEach((entry) => {
  const place = places.get(entry.target);
  place.visible = entry.isIntersecting;
  if (place.visible) place.followers.filter(({ late }) => late).forEach(redraw);
}), { rootMargin: "200px" });

function redraw(follower) {
  follower.late = false;
  follower.draw();
}

// names: the choices that a picture shows. place: the element that it stands in; while nobody sees
// that, the picture waits for those that are seen.
function follow(names, draw, place = null) {
  const follower = { names: new Set([...names, "theme"]), draw, late: true, place: null };
  followers.push(follower);
  if (!place) return;
  if (!places.has(place)) {
    places.set(place, { visible: false, followers: [] });
    watch.observe(place);
  }
  follower.place = places.get(place);
  follower.place.followers.push(follower);
}

function choose(change) {
  const changed = Object.keys(change).filter((name) => chosen[name] !== change[name]);
  if (!changed.length) return;
  Object.assign(chosen, change);
  for (const follower of followers) {
    if (!changed.some((name) => follower.names.has(name))) continue;
    if (follower.place && !follower.place.visible) follower.late = true;
    else redraw(follower);
  }
  drawLater();
}

function drawAll() {
  readTheme();
  followers.filter(({ place }) => !place || place.visible).forEach(redraw);
}

function drawLate() {
  followers.filter(({ late }) => late).forEach(redraw);
}

// What nobody sees follows a moment later, one by one: a screen reader must not find old numbers,
// and what is further down has its height before one scrolls there.
let waiting = 0;
function drawLater() {
  clearTimeout(waiting);
  waiting = setTimeout(drawInTurn, 200);
}

function drawInTurn() {
  const next = followers.find(({ late }) => late);
  if (!next) return;
  redraw(next);
  waiting = setTimeout(drawInTurn, 0);
}

// The bar: four lists, so that everything can be chosen without a pointer and read aloud.
function startChoice() {
  const bar = document.getElementById("choice");
  const numbers = (count) => Array.from({ length: count }, (_, at) => String(at + 1));
  const tokens = facts.pieces.map((name, at) => `${at + 1} ${name}`);
  const lists = {
    layer: numbers(facts.depth), head: numbers(facts.heads), row: tokens, column: tokens,
  };
  for (const [name, entries] of Object.entries(lists)) {
    const list = document.getElementById(`choose-${name}`);
    list.append(...entries.map((text, at) => make("option", { value: String(at) }, text)));
    list.addEventListener("change", () => choose({ [name]: Number(list.value) }));
    follow([name], () => { list.value = String(chosen[name]); });
  }
  bar.addEventListener("submit", (event) => event.preventDefault());
  follow(["layer", "head", "row", "column"], () => {
    const { layer, head, row, column } = chosen;
    document.getElementById("choice-share").textContent = percent(share(layer, head, row, column));
  });
  bar.hidden = false;
}
