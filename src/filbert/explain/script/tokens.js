// The text and its tokens: point at one, and the other is marked.

function startTokens() {
  const chips = [...document.querySelectorAll("#tokens .chip")];
  const spans = [...document.querySelectorAll("[data-tokens]")].map((span) =>
    ({ span, tokens: span.dataset.tokens.split(" ").map(Number) }));
  const line = document.getElementById("token-line");

  function mark(tokens) {
    spans.forEach(({ span, tokens: mine }) =>
      span.classList.toggle("near", mine.some((token) => tokens.includes(token))));
    chips.forEach((chip, at) => chip.classList.toggle("near", tokens.includes(at)));
  }
  function tell(token) {
    const [start, end] = facts.offsets[token];
    const which = facts.segments[token] ? words.of_second : words.of_first;
    const told = { place: token + 1, id: facts.ids[token], segment: facts.segments[token], start,
      end, which };
    line.replaceChildren(piece(token), " ",
      sentence(start || end ? words.token_line : words.added_line, told));
    mark([token]);
  }
  const back = () => tell(chosen.row);
  chips.forEach((chip, at) => {
    chip.addEventListener("pointerenter", () => tell(at));
    chip.addEventListener("pointerleave", back);
    chip.addEventListener("focus", () => tell(at));
    chip.addEventListener("click", () => choose({ row: at }));
  });
  spans.forEach(({ span, tokens }) => {
    span.addEventListener("pointerenter", () => mark(tokens));
    span.addEventListener("pointerleave", back);
    span.addEventListener("click", () => choose({ row: tokens[0] }));
  });
  let last = null;
  follow(["row"], () => {
    if (last) {
      last.setAttribute("aria-pressed", "false");
      last.classList.remove("a15");
    }
    last = chips[chosen.row];
    last.setAttribute("aria-pressed", "true");
    last.classList.add("a15");
    back();
  });
}
