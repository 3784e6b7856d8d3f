
/* The Wilson interval of k of n: [low, high] in shares, 95 % */
function wilson(k, n) {
  const z = 1.959963984540054, p = k / n, square = z * z / n;
  const middle = (p + square / 2) / (1 + square);
  const reach = z / (1 + square) * Math.sqrt(p * (1 - p) / n + square / (4 * n));
  return [Math.max(0, middle - reach), Math.min(1, middle + reach)];
}

function csv(rows) {
  const cell = (value) => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  return rows.map((row) => row.map(String).map(cell).join(",") + "\r\n").join("");
}

(() => {
  const list = document.getElementById("ballots");
  if (!list) return;
  const find = (id) => document.getElementById(id);
  const ballots = [...list.children].map((item) => item.dataset);
  const place = `nst_lightning vote ${list.dataset.comparison}`;
  const name = (ballot) => `${ballot.pair} ${ballot.second}`;
  const booth = find("booth"), choices = [...booth.querySelectorAll(".choice")];
  let votes = [], kept = true, shown = null;
  try {
    votes = JSON.parse(localStorage.getItem(place)) || [];
  } catch { kept = false; }

  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(votes));
    } catch { kept = false; }
    tell();
  };

  function tell() {
    const open = ballots.length - votes.length;
    find("vote-status").textContent = `${votes.length} of ${ballots.length} voted.`
      + (open ? " The tally is shown when all are." : "")
      + (kept ? "" : " This browser does not keep votes: export them before you leave.");
    find("vote-export").disabled = find("vote-clear").disabled = !votes.length;
    find("vote-tally").hidden = open > 0;
    const body = find("vote-tally").tBodies[0];
    body.replaceChildren();
    if (open > 0) return;
    const methods = new Map();
    for (const vote of votes) {
      for (const label of [vote.left, vote.right]) {
        const found = methods.get(label) || [0, 0];
        methods.set(label, [found[0] + (label === vote.chosen), found[1] + 1]);
      }
    }
    for (const [label, [k, n]] of [...methods].sort((a, b) => b[1][0] / b[1][1] - a[1][0] / a[1][1])) {
      const percent = (share) => `${(100 * share).toFixed(0)}\u00a0%`;
      const [low, high] = wilson(k, n);
      const row = body.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = label;
      row.append(head);
      for (const text of [`${k} of ${n}`, percent(k / n), `${percent(low)} to ${percent(high)}`]) {
        row.insertCell().textContent = text;
      }
    }
  }

  function next() {
    const done = new Set(votes.map((vote) => vote.ballot));
    const open = ballots.filter((ballot) => !done.has(name(ballot)));
    find("booth-back").disabled = !votes.length;
    if (!open.length) {
      booth.close();
      find("vote").scrollIntoView();
      return;
    }
    const ballot = open[Math.floor(Math.random() * open.length)];
    const sides = [[ballot.first, ballot.firstLabel], [ballot.second, ballot.secondLabel]];
    if (Math.random() < 0.5) sides.reverse();
    shown = { ballot, sides };
    const source = (key) => `${ballot.folder}/${encodeURIComponent(key)}.jpg`;
    find("booth-content").src = source("content");
    find("booth-content").alt = `Photograph: ${ballot.content}`;
    find("booth-style").src = source("style");
    find("booth-style").alt = `Style: ${ballot.style}`;
    choices.forEach((choice, side) => { choice.firstElementChild.src = source(sides[side][0]); });
    find("booth-count").textContent = `${votes.length + 1} of ${ballots.length}.`;
  }

  function choose(side) {
    const { ballot, sides } = shown;
    votes.push({
      ballot: name(ballot), pair: ballot.pair, content: ballot.content, style: ballot.style,
      left: sides[0][1], right: sides[1][1], chosen: sides[side][1], time: new Date().toISOString(),
    });
    keep();
    next();
  }

  function takeBack() {
    votes.pop();
    keep();
    next();
  }

  choices.forEach((choice, side) => choice.addEventListener("click", () => choose(side)));
  find("booth-back").addEventListener("click", takeBack);
  // Of the document: a button that is disabled while it has the focus leaves it to nobody.
  document.addEventListener("keydown", (event) => {
    if (!booth.open || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const side = { 1: 0, ArrowLeft: 0, 2: 1, ArrowRight: 1 }[event.key];
    if (side !== undefined) choose(side);
    else if (event.key === "Backspace" && votes.length) takeBack();
    else return;
    event.preventDefault();
  });
  for (const button of document.querySelectorAll(".vote-open")) {
    button.addEventListener("click", () => {
      if (votes.length === ballots.length) { find("vote").scrollIntoView(); return; }
      next();
      booth.showModal();
    });
  }
  find("vote-clear").addEventListener("click", () => {
    if (confirm("Delete all votes on this comparison?")) { votes = []; keep(); }
  });
  find("vote-export").addEventListener("click", () => {
    const columns = ["pair", "content", "style", "left", "right", "chosen", "time"];
    const rows = [columns, ...votes.map((vote) => columns.map((column) => vote[column]))];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
    link.download = "votes.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
  tell();
})();
