// The page has been read: unpack what the first pictures need, then let everything follow.

async function start() {
  const [attention, rollout, sums] = await Promise.all(["attention", "rollout", "sums"].map(unpack));
  arrays.attention = sharesOf(attention);
  arrays.rollout = sharesOf(rollout);
  startChoice();
  startTokens();
  startSums(sums);
  startGrid();
  startMap();
  startFormula();
  startMeasures();
  startRollout();
  drawAll();
  const repaint = () => {
    readTheme();
    choose({ theme: chosen.theme + 1 });
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  window.addEventListener("beforeprint", drawLate);
  drawLater();
  document.body.dataset.ready = "yes";
}
start();
