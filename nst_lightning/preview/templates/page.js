(() => {
  const find = (id) => document.getElementById(id);
  const SLOW = 5000; // milliseconds between two questions where nobody answers
  const known = { run: -1, photograph: 0, picture: 0 };
  let losses = []; // [step, {term: loss}], as far as they came
  let state = null, silent = 0, timer = 0, asking = false;

  // Words

  function duration(seconds) {
    if (seconds === null || seconds === undefined) return "–";
    const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    if (whole < 60) return `${whole} s`;
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)} h` : `${minutes}:${two(whole % 60)} min`;
  }
  const short = (number) => Number(number).toPrecision(3).replace(/e\+?/, "e");
  const sides = ([width, height]) => `${width} × ${height} px`;
  function bytes(count) {
    if (!count) return "–";
    return count < 1e9 ? `${Math.round(count / 1e6)} MB` : `${(count / 1e9).toFixed(1)} GB`;
  }
  function words() {
    const { series } = state, end = series && series.done === series.total;
    const at = state.step === state.steps ? "" : ` at step ${state.step} of ${state.steps ?? "?"}`;
    return {
      waiting: "Waiting for a run to begin.",
      starting: "Looking at the pictures …",
      painting: "Painting.",
      pausing: "Pausing after this step …",
      paused: "Paused.",
      finishing: "Finishing after this step …",
      finished: end ? `All ${series.total} ${series.unit} are painted.` : at ? `Finished early,${at}.`
        : series ? "This picture is painted; the next one begins." : "Finished.",
      stopped: `Stopped${at}.`,
      failed: `The run failed: ${state.why ?? ""}`,
    }[state.phase];
  }
  function say(line, bad = false) {
    if (find("phase").textContent !== line) find("phase").textContent = line; // it is read aloud
    find("phase").classList.toggle("bad", bad);
  }

  // What is shown

  function show() {
    const running = ["starting", "painting", "pausing", "paused"].includes(state.phase);
    const { series } = state, result = series ? series.file : state.file;
    const place = result ? ` ${series ? "The result" : "The picture"} is ${result}.` : "";
    const gone = state.ends ? " The program has ended." : "";
    say(words() + (running ? "" : place) + gone, state.phase === "failed");
    const title = state.title || "Preview";
    find("title").textContent = title;
    find("step").textContent = state.step ?? "–";
    find("steps").textContent = state.steps ? `of ${state.steps} steps` : "steps";
    const count = series ? [series.done, series.total] : [state.step ?? "", state.steps];
    document.title = `${count[0]}${count[1] ? `/${count[1]}` : ""} · ${title}`;
    find("series").hidden = !series;
    find("step").classList.toggle("lesser", Boolean(series));
    find("left-name").textContent = series ? "Left for this one" : "Time left";
    if (series) {
      find("done").textContent = series.done;
      find("total").textContent = `of ${series.total} ${series.unit}`;
      find("all").max = series.total;
      find("all").value = series.done;
      find("all-left").textContent = duration(series.done < series.total ? series.left : null);
    }
    const bar = find("progress");
    if (state.steps) { bar.max = state.steps; bar.value = state.step; }
    find("left").textContent = state.phase === "painting" ? duration(state.left) : "–";
    find("elapsed").textContent = duration(state.elapsed);
    find("pace").textContent = state.pace ? `${short(state.pace)} s` : "–";
    find("scale").textContent = state.size
      ? `${state.scales > 1 ? `${state.scale} of ${state.scales}: ` : ""}${sides(state.size)}` : "–";
    find("memory").textContent = bytes(state.memory);
    const waits = ["pausing", "paused"].includes(state.phase);
    find("pause").textContent = waits ? "Go on" : "Pause";
    for (const id of ["pause", "finish"]) find(id).disabled = !running || state.ends;
    const whole = !state.size || state.size[0] === state.largest[0];
    find("finish-note").hidden = !running;
    find("finish-note").textContent = series ? `Finish now stops; the ${series.unit} that are painted are kept, and the same command goes on.`
      : "Finish now writes the picture as it is"
      + `${whole ? "" : `, ${sides(state.size)} of ${sides(state.largest)}`}, and a checkpoint to go on from.`;
    if (state.largest) {
      const [width, height] = state.largest;
      find("slider").style.aspectRatio = `${width} / ${height}`;
      find("slider").style.setProperty("--shape", width / height);
    }
    draw();
  }

  async function showPicture(name) {
    const sent = state.pictures?.[name];
    if (!sent || state.shots[name] <= known[name]) return; // two answers may be under way
    known[name] = state.shots[name];
    const image = find(name);
    image.src = sent;
    await image.decode().catch(() => {});
    image.hidden = false;
    if (name === "picture") find("slider").classList.remove("empty");
  }

  // Curves

  const NS = "http://www.w3.org/2000/svg";
  function element(name, attributes) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function draw() {
    const chart = find("chart"), terms = [...new Set(losses.flatMap(([, by]) => Object.keys(by)))];
    const values = losses.flatMap(([, by]) => Object.values(by)).filter((v) => v > 0);
    if (losses.length < 2 || !values.length) {
      chart.replaceChildren(); find("legend").replaceChildren(); find("axis").textContent = "";
      find("chart-text").textContent = "No losses yet.";
      return;
    }
    const least = values.reduce((a, b) => Math.min(a, b)), most = values.reduce((a, b) => Math.max(a, b));
    const log = most > 20 * least, floor = log ? Math.max(least, most / 1e5) : 0;
    const scale = log ? Math.log10 : (v) => v;
    const [bottom, top] = [scale(floor), scale(most)], span = top - bottom || 1;
    const [first, last] = [losses[0][0], losses[losses.length - 1][0]];
    const x = (step) => 100 * (step - first) / (last - first || 1);
    const y = (value) => 97 - 94 * (scale(Math.max(value, log ? floor : 0)) - bottom) / span;
    chart.setAttribute("viewBox", "0 0 100 100");
    const edges = (state.edges ?? []).filter((step) => step > first && step < last);
    const lines = terms.map((term, n) => {
      let d = "", pen = "M";
      for (const [step, by] of losses) {
        const value = by[term];
        if (value === null || value === undefined) { pen = "M"; continue; }
        d += `${pen}${x(step).toFixed(2)} ${y(value).toFixed(2)}`;
        pen = "L";
      }
      return element("path", { d, class: `c${n % 7}` });
    });
    chart.replaceChildren(
      ...edges.map((step) => element("path", { d: `M${x(step)} 0V100`, class: "edge" })), ...lines.reverse());
    const now = losses[losses.length - 1][1];
    find("legend").replaceChildren(...terms.map((term, n) => {
      const item = document.createElement("li"), key = element("svg", { viewBox: "0 0 24 10", "aria-hidden": "true" });
      key.append(element("path", { d: "M0 5H24", class: `c${n % 7}` }));
      item.append(key, `${term === "loss" ? "sum" : term} ${now[term] == null ? "–" : short(now[term])}`);
      return item;
    }));
    find("axis").textContent = `Steps ${first} to ${last}; ${log ? "logarithmic, " : ""}${short(log ? floor : 0)} to ${short(most)}.`
      + (edges.length ? " Vertical lines: a larger scale begins, and with it another loss." : "");
    find("chart-text").textContent = terms.map((term) =>
      `${term === "loss" ? "sum" : term}: ${short(losses[0][1][term] ?? NaN)} to ${short(now[term] ?? NaN)}`).join("; ");
  }

  // Questions and wishes

  function take(answer) {
    if (answer.run !== known.run) {
      Object.assign(known, { run: answer.run ?? -1, photograph: 0, picture: 0 });
      losses = [];
    }
    const last = latest(); // two answers may be under way
    losses.push(...(answer.losses ?? []).filter(([step]) => step > last));
    if (losses.length > 4000) losses = losses.filter((_, n) => n % 2 === 0);
    state = answer;
    show();
    showPicture("photograph");
    showPicture("picture");
  }

  const latest = () => (losses.length ? losses[losses.length - 1][0] : -1);
  const question = () =>
    `?run=${known.run}&since=${latest()}&photograph=${known.photograph}&picture=${known.picture}`;

  async function ask() {
    clearTimeout(timer);
    if (asking || document.hidden || state?.ends) return;
    asking = true;
    let again = SLOW;
    try {
      const answer = await fetch(`state${question()}`);
      if (!answer.ok) throw new Error(answer.status === 403 ? "403" : "");
      take(await answer.json());
      silent = 0;
      if (state.ends) { asking = false; return; } // the next program has another address
      again = 1000 * state.again;
    } catch (error) {
      silent += 1;
      if (error.message === "403") say("This address is another program's by now. Open the one that was printed last.", true);
      else if (silent > 1) say("No answer: the program has ended, or the connection is cut. What is shown is what came last.", true);
      else again = 1000;
      if (silent > 1) for (const id of ["pause", "finish"]) find(id).disabled = true;
    }
    asking = false;
    timer = setTimeout(ask, again);
  }

  async function wish(name) {
    // The button stays as it is meanwhile: one that is disabled loses the keyboard's focus.
    try {
      const answer = await fetch(name + question(), { method: "POST" });
      if (answer.ok) take(await answer.json());
    } catch { /* the next question says what is the matter */ }
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  }

  find("pause").addEventListener("click", () => wish(find("pause").textContent === "Pause" ? "pause" : "resume"));
  find("finish").addEventListener("click", () => wish("finish"));
  document.addEventListener("visibilitychange", ask);
  ask();
})();
