// The curves of a study: a legend that switches groups and their runs, switches of the scales, and values where one points.

const MOST_AT_ONCE = 8;
const FIRST = 6;
const MOST_VALUES = 12;

function swatch(index) {
  const svg = drawing("svg", { class: "swatch", width: 28, height: 12, viewBox: "0 0 28 12", "aria-hidden": "true" });
  const style = styleOf(index);
  svg.append(drawing("path", { ...style, class: `line ${style.class}`, d: "M1 6H27" }));
  return svg;
}

// Where among sorted numbers a number is nearest.
function nearestIndex(numbers, wanted) {
  let low = 0;
  let high = numbers.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < wanted) low = middle;
    else high = middle;
  }
  return wanted - numbers[low] <= numbers[high] - wanted ? low : high;
}

function checkbox(text, checked, ...before) {
  const box = element("input", { type: "checkbox" });
  box.checked = checked;
  return [element("label", {}, box, ...before, element("span", {}, text)), box];
}

// The seeds of a group that have a curve of their own.
function seedsOf(group, panels) {
  return [...new Set(panels.flatMap((panel) => group.lines[panel.key].single.map((run) => run.seed)))].sort((a, b) => a - b);
}

/* A switch for every run of a group, below the group's own.
   off: the seeds that are switched off; changed: called after a switch. */
function runsOf(group, panels, off, changed) {
  const boxes = seedsOf(group, panels).map((seed) => {
    const [label, box] = checkbox(`seed ${seed}`, !off.has(seed), element("span", { class: "hidden" }, `${group.label}, `));
    box.addEventListener("change", () => {
      if (box.checked) off.delete(seed);
      else off.add(seed);
      changed();
    });
    return [label, box];
  });
  const holder = element("div", { class: "runs", role: "group", "aria-label": `runs of ${group.label}` }, ...boxes.map(([label]) => label));
  const show = (wanted) => {
    holder.hidden = !wanted || !boxes.length;
    boxes.forEach(([, box], place) => {
      box.checked = !off.has(seedsOf(group, panels)[place]);
    });
  };
  return { holder, show };
}

function curvesOf(holder, curves, remembered, study) {
  const { panels, groups } = curves;
  const kept = remembered(`curves-${study}`, {});
  const start = groups.map((group, index) => groups.length <= MOST_AT_ONCE || index < FIRST);
  const shown = groups.map((group, index) => (kept.shown && group.label in kept.shown ? kept.shown[group.label] : start[index]));
  const state = { logX: kept.logX || false, seeds: kept.seeds || false };
  const off = groups.map((group) => new Set((kept.off && kept.off[group.label]) || []));
  const views = [];
  const runs = [];
  const hint = element("p", { class: "hint", hidden: "" }, "A run that is switched off still counts in the thick line, its group's mean.");
  const redraw = () => views.forEach((view) => view.draw());
  const remember = () => {
    kept.off = Object.fromEntries(groups.map((group, index) => [group.label, [...off[index]]]));
    kept.shown = Object.fromEntries(groups.map((group, index) => [group.label, shown[index]]));
    Object.assign(kept, state);
    remembered.save(`curves-${study}`, kept);
  };
  const showRuns = () => {
    runs.forEach((own, index) => own.show(state.seeds && shown[index]));
    hint.hidden = !state.seeds;
  };
  const changed = () => {
    showRuns();
    remember();
    redraw();
  };

  const legend = element("fieldset", { class: "legend" }, element("legend", {}, "Groups"));
  const boxes = groups.map((group, index) => {
    const [label, box] = checkbox(group.label, shown[index], swatch(index));
    label.append(element("span", { class: "count" }, ` ${group.seeds} ${group.seeds === 1 ? "seed" : "seeds"}`));
    box.addEventListener("change", () => {
      shown[index] = box.checked;
      changed();
    });
    runs.push(runsOf(group, panels, off[index], changed));
    return [label, box];
  });
  const all = (value) => {
    boxes.forEach(([, box], index) => {
      shown[index] = value;
      box.checked = value;
      if (value) off[index].clear();
    });
    changed();
  };
  const buttons = [["all", true], ["none", false]].map(([text, value]) => {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => all(value));
    return button;
  });
  const entries = boxes.map(([label], index) => element("div", { class: "group" }, label, runs[index].holder));
  legend.append(element("div", { class: "groups" }, ...entries), hint, element("div", { class: "buttons" }, ...buttons));

  const switches = element("div", { class: "controls" });
  const options = [["logX", "passes on a logarithmic scale"]];
  const first = (group) => panels.some((panel) => group.lines[panel.key].single.length);
  if (groups.some(first)) options.push(["seeds", "single seeds"]);
  for (const [key, text] of options) {
    const [label, box] = checkbox(text, state[key]);
    box.addEventListener("change", () => {
      state[key] = box.checked;
      changed();
    });
    switches.append(label);
  }
  const pictures = element("div", { class: "plots" });
  for (const panel of panels) {
    const view = panelOf(panel, groups, shown, off, state, kept, remember);
    views.push(view);
    pictures.append(view.holder);
  }
  showRuns();
  holder.append(legend, switches, pictures);
  let width = 0;
  new ResizeObserver(() => {
    if (pictures.clientWidth !== width) redraw();
    width = pictures.clientWidth;
  }).observe(pictures);
}

function panelOf(panel, groups, shown, off, state, kept, remember) {
  kept.log = kept.log || {};
  let log = panel.key in kept.log ? kept.log[panel.key] : panel.log;
  const [label, box] = checkbox("logarithmic", log);
  const svg = drawing("svg", { class: "plot", "aria-hidden": "true" });
  const values = element("p", { class: "readout", hidden: "" });
  const pointer = element("div", {
    class: "picture", tabindex: "0", role: "slider", "aria-orientation": "horizontal",
    "aria-label": `${panel.title} over passes: arrow keys read values`,
  }, svg, values);
  const holder = element("figure", { class: "panel" }, element("figcaption", {}, element("strong", {}, panel.title), label), pointer);
  let place = null;
  let grid = [];
  let at = null;

  const lines = () => groups
    .map((group, index) => {
      const own = group.lines[panel.key];
      return { label: group.label, seeds: group.seeds, index, ...own, single: own.single.filter((run) => !off[index].has(run.seed)) };
    })
    .filter((line) => shown[line.index] && line.x.length);

  function draw() {
    const width = Math.max(260, pointer.clientWidth);
    const size = { width, height: Math.round(Math.min(320, Math.max(210, width * 0.55))) };
    const drawn = lines();
    place = drawPlot(svg, drawn, { ...size, logX: state.logX, logY: log, seeds: state.seeds });
    grid = [...new Set(drawn.flatMap((line) => line.x))].filter((x) => !state.logX || x > 0).sort((a, b) => a - b);
    pointer.setAttribute("aria-valuemin", grid.length ? grid[0] : 0);
    pointer.setAttribute("aria-valuemax", grid.length ? grid[grid.length - 1] : 0);
    if (at === null || !grid.length) quiet();
    else read(nearestIndex(grid, at));
  }

  function quiet() {
    at = null;
    values.hidden = true;
    svg.querySelectorAll(".cross").forEach((entry) => entry.remove());
    pointer.setAttribute("aria-valuenow", grid.length ? grid[grid.length - 1] : 0);
    pointer.setAttribute("aria-valuetext", "no value is read");
  }

  function read(index) {
    if (!place || !grid.length) return;
    at = grid[index];
    const found = lines()
      .filter((line) => at >= line.x[0] && at <= line.x[line.x.length - 1])
      .map((line) => ({ line, index: nearestIndex(line.x, at) }));
    found.sort((one, other) => other.line.mean[other.index] - one.line.mean[one.index]);
    svg.querySelectorAll(".cross").forEach((entry) => entry.remove());
    const right = place.x.place(at);
    const group = drawing("g", { class: "cross" });
    group.append(drawing("path", { d: `M${right} ${place.edge.top}V${place.y.place(place.y.low)}` }));
    const texts = found.map(({ line, index: own }) => {
      const [mean, low, high] = [line.mean[own], line.low[own], line.high[own]];
      if (!place.y.log || mean > 0) {
        group.append(drawing("circle", { class: `hue hue-${line.index % COLOURS}`, cx: right, cy: place.y.place(mean), r: 3.5 }));
      }
      const fewer = line.n[own] < line.seeds ? `, ${line.n[own]} of ${line.seeds} seeds` : "";
      return [line, readable(mean), line.n[own] > 1 || fewer ? ` (${readable(low)} to ${readable(high)}${fewer})` : ""];
    });
    svg.append(group);
    const listed = texts.slice(0, MOST_VALUES).map(([line, mean, range]) => element("span", { class: "value" }, swatch(line.index), `${line.label}: `, element("b", {}, mean), range));
    const more = texts.length > MOST_VALUES ? [element("span", { class: "value" }, `and ${texts.length - MOST_VALUES} more`)] : [];
    values.replaceChildren(element("span", { class: "at" }, `pass ${readable(at)}`), ...listed, ...more);
    values.hidden = false;
    pointer.setAttribute("aria-valuenow", at);
    pointer.setAttribute("aria-valuetext", `pass ${readable(at)}: ${texts.map(([line, mean, range]) => `${line.label} ${mean}${range}`).join("; ")}`);
  }

  function follow(event) {
    if (!place || !grid.length) return;
    const frame = svg.getBoundingClientRect();
    const wanted = ((event.clientX - frame.left) / frame.width) * svg.viewBox.baseVal.width;
    read(nearestIndex(grid.map(place.x.place), wanted));
  }

  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
  pointer.addEventListener("pointermove", follow);
  pointer.addEventListener("pointerdown", follow);
  pointer.addEventListener("pointerleave", quiet);
  pointer.addEventListener("blur", quiet);
  pointer.addEventListener("keydown", (event) => {
    const last = grid.length - 1;
    if (last < 0) return;
    const now = at === null ? null : nearestIndex(grid, at);
    if (event.key in steps) read(now === null ? (steps[event.key] > 0 ? 0 : last) : Math.min(last, Math.max(0, now + steps[event.key])));
    else if (event.key === "Home") read(0);
    else if (event.key === "End") read(last);
    else if (event.key === "Escape") quiet();
    else return;
    event.preventDefault();
  });
  box.addEventListener("change", () => {
    log = box.checked;
    kept.log[panel.key] = log;
    remember();
    draw();
  });
  return { holder, draw };
}
