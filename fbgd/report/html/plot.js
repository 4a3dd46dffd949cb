// Drawing: scales, ticks, and a picture of lines with bands that grows with the page.

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 6;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2 1 2"];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawing(name, attributes = {}, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Four digits at most, and powers of ten where these are shorter: 96.17, 0.0143, 2e-5.
function readable(number, digits = 4) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  const text = size >= 1e6 || size < 1e-3 ? number.toExponential(Math.min(2, digits - 1)) : String(Number(number.toPrecision(digits)));
  return text.replace(/\.?0*e\+?/, "e").replace("-", "−").replace("e-", "e−");
}

function linearTicks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) ticks.push(index * step);
  return ticks;
}

function logTicks(low, high, count) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const decades = last - first;
  const factors = decades > 2 ? [1] : decades > 1 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / Math.max(2, count)));
  const ticks = [];
  for (let power = first; power <= last; power += every) {
    for (const factor of factors) if (every === 1 || factor === 1) ticks.push(factor * 10 ** power);
  }
  const shown = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return shown.length > 1 ? shown : linearTicks(low, high, count);
}

// A scale from numbers to pixels.
function scaleOf(low, high, from, until, log) {
  const change = log ? Math.log10 : (number) => number;
  const [first, last] = [change(low), change(high)];
  const place = (number) => from + ((change(number) - first) / (last - first || 1)) * (until - from);
  return { place, low, high, log, ticks: (count) => (log ? logTicks : linearTicks)(low, high, count) };
}

function extent(values, log) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return null;
  if (low === high) return log ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  if (log) {
    const space = (high / low) ** 0.04;
    return [low / space, high * space];
  }
  const space = 0.04 * (high - low);
  return [low >= 0 && low - space < 0 ? 0 : low - space, high + space];
}

// Corners of a path through the points that a scale can show.
function path(x, xs, y, ys) {
  let text = "";
  let pen = "M";
  for (let index = 0; index < xs.length; index += 1) {
    const [right, up] = [xs[index], ys[index]];
    if (up === null || (y.log && up <= 0) || (x.log && right <= 0)) {
      pen = "M";
      continue;
    }
    text += `${pen}${x.place(right).toFixed(1)} ${y.place(up).toFixed(1)}`;
    pen = "L";
  }
  return text;
}

function band(x, xs, y, low, high) {
  const kept = xs.map((_, index) => index).filter((index) => !(y.log && low[index] <= 0) && !(x.log && xs[index] <= 0));
  if (kept.length < 2) return "";
  const pick = (values) => kept.map((index) => values[index]);
  const there = path(x, pick(xs), y, pick(high));
  const back = path(x, pick(xs).reverse(), y, pick(low).reverse());
  return `${there}${back.replace("M", "L")}Z`;
}

// Colour and dashes of a group: few hues, told apart by dashes when they come round again.
function styleOf(index) {
  return { class: `hue hue-${index % COLOURS}`, "stroke-dasharray": DASHES[Math.floor(index / COLOURS) % DASHES.length] };
}

/* A picture of lines.
   lines: {label, index, x, mean, low, high, n, single}; options: {title, logX, logY, seeds, width, height}. */
function drawPlot(svg, lines, options) {
  const { width, height, logX, logY } = options;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const spanX = extent(lines.flatMap((line) => line.x), logX);
  const drawn = (line) => [line.low, line.high, ...(options.seeds ? line.single.map((seed) => seed.y) : [])].flat();
  const spanY = extent(lines.flatMap(drawn), logY);
  if (!spanX || !spanY) {
    const text = lines.length ? "nothing to draw on this scale" : "no group is chosen";
    svg.append(drawing("text", { x: width / 2, y: height / 2, class: "nothing" }, text));
    return null;
  }
  const edge = { left: 50, right: 12, top: 10, bottom: 34 };
  const x = scaleOf(...(logX ? spanX : [Math.min(0, spanX[0]), spanX[1]]), edge.left, width - edge.right, logX);
  const y = scaleOf(...spanY, height - edge.bottom, edge.top, logY);
  for (const tick of y.ticks(height / 38)) {
    const place = y.place(tick).toFixed(1);
    svg.append(drawing("path", { class: "grid", d: `M${edge.left} ${place}H${width - edge.right}` }));
    svg.append(drawing("text", { class: "tick left", x: edge.left - 6, y: Number(place) + 4 }, readable(tick, 3)));
  }
  for (const tick of x.ticks(width / 80)) {
    const place = x.place(tick).toFixed(1);
    svg.append(drawing("path", { class: "tick", d: `M${place} ${height - edge.bottom}v4` }));
    svg.append(drawing("text", { class: "tick below", x: place, y: height - edge.bottom + 17 }, readable(tick, 3)));
  }
  svg.append(drawing("path", { class: "axis", d: `M${edge.left} ${height - edge.bottom}H${width - edge.right}` }));
  svg.append(drawing("text", { class: "name", x: width - edge.right, y: height - 3 }, "passes"));
  for (const line of lines) {
    const style = styleOf(line.index);
    if (!options.seeds) svg.append(drawing("path", { class: `band ${style.class}`, d: band(x, line.x, y, line.low, line.high) }));
    if (options.seeds) {
      for (const seed of line.single) svg.append(drawing("path", { ...style, class: `seed ${style.class}`, d: path(x, seed.x, y, seed.y) }));
    }
  }
  for (const line of lines) {
    const style = styleOf(line.index);
    svg.append(drawing("path", { ...style, class: `line ${style.class}`, d: path(x, line.x, y, line.mean) }));
  }
  return { x, y, edge };
}
