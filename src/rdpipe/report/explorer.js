"use strict";
// The RD explorer: curves on the plane of rate and distortion, and the runs behind a point.
// `state` is what is chosen. It is read from the address, and every change is written there.

const data = JSON.parse(document.getElementById("data").textContent);
const root = document.getElementById("explorer");
const form = root.querySelector("form");
const plot = root.querySelector(".plot");
const tip = root.querySelector(".tip");
const detail = root.querySelector(".detail");
const PREFIX = "#explorer:";
const PARTS = [{ name: "test", label: "Test" }, { name: "train", label: "Training" }];
const AXES = [{ name: "linear", label: "Linear" }, { name: "log", label: "Logarithmic" }];
const MARKS = [
  "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z", "M-4.4-4.4H4.4V4.4H-4.4Z", "M0-6L6 0L0 6L-6 0Z",
  "M0-5.8L5.4 4.2H-5.4Z", "M0 5.8L5.4-4.2H-5.4Z", "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
];
const MEASURES = [
  ["distortion", "Distortion D", "nats"], ["rate", "Rate R", "nats"], ["elbo", "ELBO", "nats"],
  ["mutual_information", "Mutual information I", "nats"],
  ["marginal_kl", "Marginal KL", "nats"], ["mse", "Squared error", "a pixel"],
  ["memorization", "Memorised", "share"],
  ["weight_perplexity", "Perplexity of weights", "images"],
];
const STATUS = {
  finished: "finished", diverged: "diverged", missing: "missing", idle: "stopped learning",
};
let state, shown = [], chart;

// Small helpers

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "text", "rect", "circle", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") made.style.cssText = value;
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  const rounded = Number(value.toPrecision(digits));
  const text = Math.abs(rounded) >= 1e-3 || rounded === 0
    ? rounded.toLocaleString("en", { maximumSignificantDigits: digits })
    : rounded.toExponential(1);
  return text.replace("-", "\u2212");
}

const spelled = (beta) => String(Number(beta));
const experiment = () => data.experiments.find((one) => one.name === state.experiment);
const labelOf = (list, name) => (experiment()[list].find((one) => one.name === name) || {}).label || name;

function colour(split) {
  const names = experiment().splits.map((one) => one.name);
  const index = names.indexOf(split);
  return names.length <= 8 ? `var(--c${index})`
    : `oklch(62% 0.15 ${Math.round((360 * index) / names.length + 20)})`;
}

function mark(arch) {
  return MARKS[experiment().archs.findIndex((one) => one.name === arch) % MARKS.length];
}

// What is chosen, and the address

function defaults(name) {
  const chosen = data.experiments.find((one) => one.name === name) || data.experiments[0];
  return {
    experiment: chosen.name,
    splits: chosen.splits.slice(0, 2).map((one) => one.name),
    archs: chosen.archs.slice(0, 2).map((one) => one.name),
    parts: ["test", "train"],
    axis: "linear",
    point: first(chosen),
  };
}

// The point that a page opens with: of the last split shown, at β = 1 or near it.
function first(chosen) {
  const split = chosen.splits[Math.min(1, chosen.splits.length - 1)].name;
  const arch = chosen.archs[0].name;
  const betas = data.pairs[`${split}/${arch}`]?.curves.test.beta || [];
  if (!betas.length) return null;
  const apart = (beta) => Math.abs(Math.log((beta || 1e-9)));
  const beta = betas.reduce((best, one) => (apart(one) < apart(best) ? one : best));
  return { split, arch, beta, seed: data.first, part: "test" };
}

function read() {
  const asked = new URLSearchParams(
    location.hash.startsWith(PREFIX) ? location.hash.slice(PREFIX.length) : "");
  const found = defaults(asked.get("experiment"));
  const known = data.experiments.find((one) => one.name === found.experiment);
  const lists = { splits: known.splits, archs: known.archs, parts: PARTS };
  for (const [key, every] of Object.entries(lists)) {
    if (asked.has(key)) {
      const names = asked.get(key).split(",");
      found[key] = every.map((one) => one.name).filter((name) => names.includes(name));
    }
  }
  if (asked.get("axis") === "log") found.axis = "log";
  const [split, arch, beta, seed, part] = (asked.get("run") || "").split("/");
  const pair = data.pairs[`${split}/${arch}`];
  const listed = known.splits.some((one) => one.name === split)
    && known.archs.some((one) => one.name === arch);
  if (pair && listed && data.betas.includes(Number(beta)) && data.seeds.includes(Number(seed))) {
    found.point = { split, arch, beta: Number(beta), seed: Number(seed),
      part: part === "train" ? "train" : "test" };
  }
  return found;
}

function write() {
  const { experiment: name, splits, archs, parts, axis, point } = state;
  const pairs = [["experiment", name], ["splits", splits], ["archs", archs], ["parts", parts]];
  if (axis !== "linear") pairs.push(["axis", axis]);
  if (point) {
    pairs.push(["run", [point.split, point.arch, spelled(point.beta), point.seed, point.part].join("/")]);
  }
  history.replaceState(null, "", PREFIX + pairs.map(([key, value]) => `${key}=${value}`).join("&"));
}

function change(changes) {
  Object.assign(state, changes);
  write();
  render();
}

// Controls

function swatch(look) {
  const inside = look.arch !== undefined
    ? [element("path", { d: MARKS[look.arch % MARKS.length], transform: "translate(13 7)", fill: "currentColor" })]
    : [element("line", { x1: 1, x2: 25, y1: 7, y2: 7, stroke: look.colour || "currentColor",
      "stroke-width": look.colour ? 4 : 2, "stroke-dasharray": look.dashed ? "5 3" : "none" })];
  return element("svg", { class: "mark", viewBox: "0 0 26 14", "aria-hidden": "true" }, inside);
}

function chips(list, every, look, many = true) {
  const chosen = many ? state[list] : [state[list]];
  const made = every.map((one, index) => element("label", { class: "chip" },
    element("input", {
      type: many ? "checkbox" : "radio", name: list, value: one.name,
      ...(chosen.includes(one.name) ? { checked: "" } : {}),
    }), look && look(one, index) ? swatch(look(one, index)) : null, one.label));
  form.querySelector(`[data-list="${list}"]`).replaceChildren(...made);
}

function controls() {
  const select = form.elements.experiment;
  select.replaceChildren(...data.experiments.map((one) => element("option", {
    value: one.name, ...(one.name === state.experiment ? { selected: "" } : {}) }, one.name)));
  chips("splits", experiment().splits, (one) => ({ colour: colour(one.name) }));
  chips("archs", experiment().archs, (_, index) => ({ arch: index }));
  chips("parts", PARTS, (one) => ({ dashed: one.name === "train" }));
  chips("axis", AXES, null, false);
}

form.addEventListener("change", (event) => {
  const { name, value } = event.target;
  if (name === "experiment") {
    state = defaults(value);
    controls();
    change({});
  } else if (name === "axis") {
    change({ axis: value });
  } else {
    const checked = [...form.querySelectorAll(`input[name="${name}"]:checked`)];
    change({ [name]: checked.map((one) => one.value) });
  }
});
form.addEventListener("submit", (event) => event.preventDefault());

// Curves

function curves() {
  const found = [];
  for (const split of state.splits) {
    for (const arch of state.archs) {
      const pair = data.pairs[`${split}/${arch}`];
      for (const part of pair ? state.parts : []) {
        const curve = pair.curves[part];
        const points = curve.beta.map((beta, i) => ({
          split, arch, part, beta, n: curve.n[i], note: curve.note[i],
          rate: curve.rate_mean[i], rateStd: curve.rate_std[i] || 0,
          distortion: curve.distortion_mean[i], distortionStd: curve.distortion_std[i] || 0,
        })).filter((one) => one.rate !== null && one.distortion !== null
          && (state.axis === "linear" || one.rate > 0));
        if (points.length) found.push({ split, arch, part, points });
      }
    }
  }
  return found;
}

function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((one) => one * power >= raw) * power;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) {
    found.push(Number(at.toPrecision(12)));
  }
  return found;
}

function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const digit of [1, 2, 5]) {
      const at = digit * 10 ** power;
      if (at >= low && at <= high) found.push(at);
    }
  }
  return found;
}

function scales(points) {
  const width = Math.max(280, plot.clientWidth);
  const height = Math.round(Math.min(540, Math.max(300, width * 0.74)));
  const box = { left: 52, right: width - 14, top: 12, bottom: height - 44 };
  const xs = points.flatMap((one) => [one.rate - one.rateStd, one.rate + one.rateStd]);
  const ys = points.flatMap((one) => [
    one.distortion - one.distortionStd, one.distortion + one.distortionStd]);
  const log = state.axis === "log";
  const value = log ? Math.log10 : (one) => one;
  const room = (low, high) => (high - low || Math.abs(high) || 1) * 0.06;
  let low = value(log ? Math.min(...points.map((one) => one.rate)) : Math.min(...xs));
  let high = value(Math.max(...xs));
  [low, high] = [low - room(low, high), high + room(low, high)];
  if (!log) low = Math.max(low, Math.min(0, Math.min(...xs)) - room(low, high) / 3);
  let [bottom, top] = [Math.min(...ys), Math.max(...ys)];
  [bottom, top] = [bottom - room(bottom, top), top + room(bottom, top)];
  return {
    width, height, box, log,
    low: log ? 10 ** low : low, high: log ? 10 ** high : high, bottom, top,
    x: (rate) => box.left + ((value(Math.max(rate, log ? 10 ** low : rate)) - low) / (high - low))
      * (box.right - box.left),
    y: (distortion) => box.bottom - ((distortion - bottom) / (top - bottom)) * (box.bottom - box.top),
  };
}

function axes(scale) {
  const { box } = scale;
  const narrow = scale.width < 480;
  const xs = scale.log ? logTicks(scale.low, scale.high) : ticks(scale.low, scale.high, narrow ? 5 : 8);
  const ys = ticks(scale.bottom, scale.top, 7);
  const parts = [];
  for (const at of xs) {
    const x = scale.x(at);
    parts.push(element("line", { class: "grid", x1: x, x2: x, y1: box.top, y2: box.bottom }),
      element("text", { x, y: box.bottom + 17, "text-anchor": "middle" }, number(at)));
  }
  for (const at of ys) {
    const y = scale.y(at);
    parts.push(element("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }),
      element("text", { x: box.left - 7, y: y + 4, "text-anchor": "end" }, number(at)));
  }
  parts.push(
    element("rect", { class: "frame", x: box.left, y: box.top,
      width: box.right - box.left, height: box.bottom - box.top }),
    element("text", { class: "title", x: (box.left + box.right) / 2, y: scale.height - 6,
      "text-anchor": "middle" }, "rate R (nats)"),
    element("text", { class: "title", transform: `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`,
      "text-anchor": "middle" }, "distortion D (nats)"));
  return element("g", { "aria-hidden": "true" }, parts);
}

// Iso-lines of the ELBO: D + R is the same along each. A label stands where its line ends.
function isolines(scale) {
  const { box } = scale;
  const parts = [];
  const labels = [];
  ticks(scale.low + scale.bottom, scale.high + scale.top, 9).forEach((level) => {
    const from = Math.max(scale.low, level - scale.top);
    const to = Math.min(scale.high, level - scale.bottom);
    if (to <= from) return;
    const line = Array.from({ length: scale.log ? 41 : 2 }, (_, i, all = scale.log ? 40 : 1) => {
      const rate = scale.log ? from * (to / from) ** (i / all) : from + ((to - from) * i) / all;
      return [scale.x(rate), scale.y(level - rate)];
    });
    parts.push(element("path", { class: "elbo", d: "M" + line.map((at) => at.join(" ")).join("L") }));
    const [x, y] = line[line.length - 1];
    const atRight = x > box.right - 1 && y < box.bottom - 8;
    const text = `${labels.length ? "" : "ELBO "}${number(-level)}`;
    if (!atRight && x - 6 - 6.5 * text.length < box.left) return;
    labels.push(element("text", { class: "elbo-label", x: atRight ? box.right - 4 : x - 6,
      y: atRight ? y - 5 : box.bottom - 6, "text-anchor": "end" }, text));
  });
  return element("g", { "aria-hidden": "true" }, parts, labels);
}

function described(point) {
  return `${labelOf("splits", point.split)}, ${labelOf("archs", point.arch)}, `
    + `${point.part === "test" ? "test" : "training"}, β = ${spelled(point.beta)}: `
    + `R ${number(point.rate)}, D ${number(point.distortion)} nats, ${point.n} `
    + `${point.n === 1 ? "seed" : "seeds"}${point.note ? `, ${point.note}` : ""}`;
}

const isChosen = (point) => state.point !== null
  && ["split", "arch", "part", "beta"].every((key) => state.point[key] === point[key]);

function drawCurve(curve, scale) {
  const group = element("g", { class: curve.part, style: `--c: ${colour(curve.split)}` });
  const place = (one) => [scale.x(one.rate), scale.y(one.distortion)];
  group.append(element("path", { class: "curve", "aria-hidden": "true",
    d: "M" + curve.points.map((one) => place(one).map((at) => at.toFixed(1)).join(" ")).join("L") }));
  for (const point of curve.points) {
    const [x, y] = place(point);
    const bars = `M${scale.x(point.rate - point.rateStd)} ${y}H${scale.x(point.rate + point.rateStd)}`
      + `M${x} ${scale.y(point.distortion - point.distortionStd)}V${scale.y(point.distortion + point.distortionStd)}`;
    group.append(element("path", { class: "bar", "aria-hidden": "true", d: bars }));
  }
  for (const point of curve.points) {
    const [x, y] = place(point);
    const made = element("g", {
      class: "point", role: "button", tabindex: -1, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
      "aria-pressed": String(isChosen(point)), "aria-label": described(point),
      "data-point": [point.split, point.arch, point.part, spelled(point.beta)].join("/"),
    }, element("circle", { class: "ring", r: 10 }), element("path", { d: mark(curve.arch) }));
    made.addEventListener("focus", () => { roving(made); hint(shown.find((one) => one.made === made)); });
    made.addEventListener("blur", () => hint(null));
    group.append(made);
    shown.push({ point, made, x, y });
  }
  return group;
}

// The β at both ends of each curve. Curves that end at the same place share a label.
function endLabels(every, scale) {
  const taken = [];
  const ends = every.flatMap(({ points }) => points.length > 1 ? [points[0], points[points.length - 1]] : []);
  return element("g", { "aria-hidden": "true" }, ends.map((point) => {
    if (isChosen(point)) return null;
    const [x, y] = [scale.x(point.rate), scale.y(point.distortion)];
    const text = `β = ${spelled(point.beta)}`;
    if (taken.some((one) => one.text === text && Math.abs(one.x - x) < 60 && Math.abs(one.y - y) < 14)) return null;
    taken.push({ text, x, y });
    const left = x > scale.box.right - 60;
    return element("text", { class: "beta-label end", x: x + (left ? -9 : 9), y: y - 7,
      "text-anchor": left ? "end" : "start" }, text);
  }));
}

function chosenMarks(scale) {
  const { point } = state;
  const mine = point && shown.find((one) => isChosen(one.point));
  if (!mine) return null;
  const runs = data.pairs[`${point.split}/${point.arch}`].runs.measures[point.part];
  const dots = data.seeds.map((_, i) => {
    const at = indexOf(point.beta, i);
    const [rate, distortion] = [runs.rate?.[at], runs.distortion?.[at]];
    return rate === null || rate === undefined ? null
      : element("circle", { class: "seed", cx: scale.x(rate), cy: scale.y(distortion), r: 2 });
  });
  const left = mine.x > scale.box.right - 90;
  return element("g", { "aria-hidden": "true" }, dots, element("text", { class: "beta-label",
    x: mine.x + (left ? -13 : 13), y: mine.y - 9, "text-anchor": left ? "end" : "start" },
    `β = ${spelled(point.beta)}`));
}

const indexOf = (beta, seed) => data.betas.indexOf(beta) * data.seeds.length + seed;

function draw() {
  const focused = document.activeElement?.getAttribute("data-point");
  shown = [];
  const every = curves();
  tip.hidden = true;
  if (!every.length) {
    chart = null;
    plot.replaceChildren(element("p", { class: "empty" },
      "No curve is chosen, or none of the chosen runs has finished. Choose a split, an architecture and a part."));
    return;
  }
  const scale = scales(every.flatMap((one) => one.points));
  const groups = every.map((one) => drawCurve(one, scale));
  chart = element("svg", { viewBox: `0 0 ${scale.width} ${scale.height}`, role: "group",
    "aria-label": `Rate–distortion curves of experiment ${state.experiment}: ${every.length} curves, ${shown.length} points` },
  isolines(scale), axes(scale), groups, endLabels(every, scale), chosenMarks(scale));
  chart.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") hint(nearest(event)); });
  chart.addEventListener("pointerleave", () => hint(null));
  chart.addEventListener("click", (event) => {
    const near = nearest(event);
    if (near) choose(near.point);
  });
  chart.addEventListener("keydown", onKey);
  plot.replaceChildren(chart);
  roving((shown.find((one) => isChosen(one.point)) || shown[0]).made);
  if (focused) chart.querySelector(`[data-point="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function nearest(event) {
  const box = chart.getBoundingClientRect();
  const ratio = chart.viewBox.baseVal.width / box.width;
  const [x, y] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  let best = null, least = 26;
  for (const one of shown) {
    const distance = Math.hypot(one.x - x, one.y - y);
    if (distance < least) [best, least] = [one, distance];
  }
  return best;
}

function hint(one) {
  for (const other of shown) other.made.classList.toggle("hot", other === one);
  tip.hidden = !one;
  chart?.style.setProperty("cursor", one ? "pointer" : "default");
  if (!one) return;
  const { point } = one;
  tip.replaceChildren(
    element("strong", {}, `β = ${spelled(point.beta)}`), ` ${point.part === "test" ? "test" : "training"}`,
    element("br"), `${labelOf("splits", point.split)}, ${labelOf("archs", point.arch)}`,
    element("br"), `R ${number(point.rate)} ± ${number(point.rateStd, 2)}`,
    element("br"), `D ${number(point.distortion)} ± ${number(point.distortionStd, 2)}`,
    element("br"), `${point.n} ${point.n === 1 ? "seed" : "seeds"}${point.note ? `; ${point.note}` : ""}`);
  const ratio = plot.clientWidth / chart.viewBox.baseVal.width;
  const [x, y] = [plot.offsetLeft + one.x * ratio, plot.offsetTop + one.y * ratio];
  const left = x + 16 + tip.offsetWidth > plot.offsetLeft + plot.clientWidth;
  tip.style.left = `${Math.max(4, left ? x - tip.offsetWidth - 14 : x + 14)}px`;
  tip.style.top = `${Math.max(4, y - tip.offsetHeight / 2)}px`;
}

// One point is in the order of Tab; arrow keys move from it to the others.
function roving(made) {
  for (const one of shown) one.made.setAttribute("tabindex", one.made === made ? 0 : -1);
}

function onKey(event) {
  const here = shown.find((one) => one.made === document.activeElement);
  if (!here) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    choose(here.point);
    return;
  }
  const same = (one) => ["split", "arch", "part"].every((key) => one.point[key] === here.point[key]);
  const curve = shown.filter(same);
  let next = null;
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {  // to the next β by place
    const ordered = [...curve].sort((a, b) => a.x - b.x || a.point.beta - b.point.beta);
    next = ordered[ordered.indexOf(here) + (event.key === "ArrowRight" ? 1 : -1)];
  } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {  // to the next curve, same β
    const others = shown.filter((one) => one.point.beta === here.point.beta);
    const at = others.indexOf(here) + (event.key === "ArrowDown" ? 1 : -1);
    next = others[(at + others.length) % others.length];
  } else if (event.key === "Home" || event.key === "End") {
    const ordered = [...curve].sort((a, b) => a.x - b.x);
    next = event.key === "Home" ? ordered[0] : ordered[ordered.length - 1];
  } else return;
  event.preventDefault();
  if (next) next.made.focus();
}

function choose(point, seed = state.point ? state.point.seed : data.first) {
  const { split, arch, part, beta } = point;
  change({ point: { split, arch, part, beta, seed } });
}

function table() {
  const names = ["Split", "Architecture", "Part", "β", "R", "D", "Seeds", ""];
  const rows = shown.map(({ point }) => element("tr", {},
    [labelOf("splits", point.split), labelOf("archs", point.arch), point.part === "test" ? "test" : "training",
      spelled(point.beta), number(point.rate), number(point.distortion), String(point.n)]
      .map((cell) => element("td", {}, cell)),
    element("td", {}, element("button", { type: "button", "aria-label": `Show ${described(point)}`,
      onclick: () => choose(point) }, "Show"))));
  root.querySelector(".points > div").replaceChildren(element("table", {},
    element("thead", {}, element("tr", {}, names.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, rows)));
}

// The runs behind a point

function measures(pair, at) {
  const { train = {}, test = {} } = pair.runs.measures;
  const known = Object.keys({ ...train, ...test });
  const likelihoods = known.filter((name) => /^log_likelihood_\d+$/.test(name))
    .sort((a, b) => Number(b.slice(15)) - Number(a.slice(15)));
  const main = [...MEASURES, ...likelihoods.slice(0, 1).map((name) => [name, `log p(x), K = ${name.slice(15)}`, "nats"])]
    .filter(([name]) => known.includes(name));
  const row = ([name, label, unit]) => element("tr", {},
    element("th", { scope: "row" }, label, unit ? element("small", {}, ` ${unit}`) : null),
    [train, test].map((part) => element("td", {}, number(part[name]?.[at]))));
  const head = () => element("thead", {}, element("tr", {},
    ["Measure", "Training", "Test"].map((name) => element("th", { scope: "col" }, name))));
  return [
    element("table", {}, head(), element("tbody", {}, main.map(row))),
    element("details", {}, element("summary", {}, `All ${known.length} measures`),
      element("table", {}, head(), element("tbody", {}, known.sort().map((name) => row([name, name, ""]))))),
  ];
}

function division(pair, at, size) {
  const { train = {} } = pair.runs.measures;
  const [rate, information, marginal] = ["rate", "mutual_information", "marginal_kl"]
    .map((name) => train[name]?.[at]);
  if (information === null || information === undefined) return null;
  const whole = Math.max(0, information) + Math.max(0, marginal) || 1;
  const share = (100 * Math.max(0, information)) / whole;
  return element("section", { class: "division", style: "margin: 0" },
    element("h4", {}, `Rate on the training part: ${number(rate)} nats`),
    element("svg", { class: "stack", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      element("rect", { x: 0, y: 0, width: share, height: 10, style: "fill: var(--c0)" }),
      element("rect", { x: share, y: 0, width: 100 - share, height: 10, style: "fill: var(--c1)" })),
    element("ul", { class: "legend" },
      element("li", {}, element("i", { style: "background: var(--c0)" }), `I = ${number(information)} (at most log N = ${number(Math.log(size), 3)})`),
      element("li", {}, element("i", { style: "background: var(--c1)" }), `marginal KL = ${number(marginal)}`)));
}

function image(sheet, columns, rows, column, row, label) {
  const place = (index, count) => (count > 1 ? (100 * index) / (count - 1) : 0);
  return element("div", { class: "image", role: "img", "aria-label": label,
    style: `background-image: url(${sheet}); background-size: ${100 * columns}% ${100 * rows}%; `
      + `background-position: ${place(column, columns)}% ${place(row, rows)}%` });
}

function images(pair, point) {
  const inputs = data.inputs[point.split];
  const row = pair.pictures.rows?.[data.betas.indexOf(point.beta)];
  if (!inputs || row === undefined) return null;
  const { examples } = inputs;
  const count = Object.keys(pair.pictures.rows).length;
  const lines = [
    ["Test image", (i) => image(inputs.sheet, examples, 2, i, 0, `test image ${i + 1}`)],
    ["Nearest training image", (i) => image(inputs.sheet, examples, 2, i, 1, `nearest training image to test image ${i + 1}`)],
    ["Recon\u00adstruction", (i) => image(pair.pictures.sheet, 2 * examples, count, i, row, `reconstruction of test image ${i + 1}`)],
    ["Optimal decoder", (i) => image(pair.pictures.sheet, 2 * examples, count, examples + i, row, `what the optimal decoder makes of test image ${i + 1}`)],
  ];
  const grid = element("div", { class: "images" }, lines.map(([name, cell]) => [
    element("span", { class: "name" }, name), Array.from({ length: examples }, (_, i) => cell(i))]));
  grid.style.gridTemplateColumns = `auto repeat(${examples}, minmax(0, 64px))`;
  const ofSeed = data.seeds.length > 1 ? ` of seed ${data.first}` : "";
  return element("section", { style: "margin: 0" },
    element("h4", {}, `Difficult test images${ofSeed}`), grid,
    element("p", { class: "hint" }, "Difficult: far from all training images, at the 90th percentile. The optimal decoder averages training images."));
}

function historyChart(pair, at, name, label, colour) {
  const xs = pair.history.iteration;
  const runs = data.seeds.map((_, i) => pair.history[name][Math.floor(at / data.seeds.length) * data.seeds.length + i]);
  const mine = pair.history[name][at];
  const known = runs.flatMap((run) => run || []).filter((one) => one !== null);
  if (!mine || !known.length) return null;
  const [width, height, left, bottom] = [190, 130, 40, 108];
  let [low, high] = [Math.min(...known), Math.max(...known)];
  if (high === low) high += 1;
  const x = (i) => left + ((width - left - 6) * xs[i]) / xs[xs.length - 1];
  const y = (value) => bottom - ((bottom - 22) * (value - low)) / (high - low);
  const line = (run) => run.map((value, i) => (value === null ? "" : `${i && run[i - 1] !== null ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`)).join("");
  const end = mine[mine.length - 1];
  return element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", style: `--c: ${colour}`,
    "aria-label": `${label} over ${number(xs[xs.length - 1], 6)} iterations: from ${number(mine[0])} to ${number(end)} nats` },
  element("text", { x: left, y: 12 }, `${label} (nats)`),
  element("line", { class: "other", x1: left, x2: width - 6, y1: bottom, y2: bottom }),
  element("text", { x: left - 5, y: y(high) + 4, "text-anchor": "end" }, number(high, 3)),
  element("text", { x: left - 5, y: bottom, "text-anchor": "end" }, number(low, 3)),
  element("text", { x: left, y: height - 6 }, "0"),
  element("text", { x: width - 6, y: height - 6, "text-anchor": "end" }, number(xs[xs.length - 1], 6)),
  runs.filter((run) => run && run !== mine).map((run) => element("path", { class: "other", d: line(run) })),
  element("path", { class: "mine", d: line(mine) }));
}

function histories(pair, at) {
  const charts = [["distortion", "D", "var(--c0)"], ["rate", "R", "var(--c1)"]]
    .map(([name, label, colour]) => historyChart(pair, at, name, label, colour)).filter(Boolean);
  if (!charts.length) return element("p", { class: "hint" }, "This run has no training history here.");
  return element("section", { class: "history", style: "margin: 0" },
    element("h4", {}, "Training, by iteration"),
    element("div", { style: "display: grid; grid-template-columns: 1fr 1fr; gap: 0.5rem" }, charts),
    data.seeds.length > 1 ? element("p", { class: "hint" }, "Thin: the other seeds. Means over batches of the training part.") : null);
}

function steps(point, pair) {
  const betas = [...data.betas].sort((a, b) => a - b);
  const at = betas.indexOf(point.beta);
  const step = (by, text, label) => element("button", { type: "button", "aria-label": label, "data-step": by,
    ...(betas[at + by] === undefined ? { disabled: "" } : {}),
    onclick: () => choose({ ...point, beta: betas[at + by] }) }, text);
  const seeds = data.seeds.map((seed, i) => {
    const status = pair.runs.status[indexOf(point.beta, i)];
    return element("button", { type: "button", "aria-pressed": String(seed === point.seed), "data-seed": seed,
      onclick: () => choose(point, seed) }, status === "finished" ? String(seed) : `${seed} (${STATUS[status]})`);
  });
  return [
    element("div", { class: "steps" }, "β", step(-1, "←", "Smaller β"), element("b", {}, spelled(point.beta)), step(1, "→", "Larger β")),
    element("div", { class: "steps", role: "group", "aria-label": "Seed" }, "Seed", seeds),
  ];
}

function details() {
  const { point } = state;
  const focused = document.activeElement;
  const [stepped, seeded] = detail.contains(focused)
    ? [focused.getAttribute("data-step"), focused.getAttribute("data-seed")] : [null, null];
  if (!point) {
    detail.replaceChildren(element("p", { class: "empty" },
      "Choose a point of a curve: its reconstructions, the two terms of its rate, all measures and its training history come here."));
    return;
  }
  const pair = data.pairs[`${point.split}/${point.arch}`];
  const at = indexOf(point.beta, data.seeds.indexOf(point.seed));
  const status = pair.runs.status[at];
  const size = data.sizes[point.split];
  const [n, m] = size.map((one) => one.toLocaleString("en"));
  const inside = ["finished", "idle"].includes(status)
    ? [images(pair, point), division(pair, at, size[0]), histories(pair, at), element("h4", {}, `Measures of seed ${point.seed}`), measures(pair, at)]
    : [element("p", { class: "empty" }, status === "diverged"
      ? "This run diverged: its loss became infinite or no number. It has no measures."
      : "This run is missing: it is not trained or not evaluated yet."),
    status === "diverged" ? histories(pair, at) : null];
  detail.replaceChildren(...[
    element("h3", {}, `${labelOf("splits", point.split)}, ${labelOf("archs", point.arch)}`),
    element("p", { class: "facts" }, `${n} training images, ${m} test images. `,
      status === "idle" ? "This run stopped learning: its rate is near 0 although a larger β keeps a rate. " : "",
      element("code", {}, `${point.split}/${point.arch}`)),
    steps(point, pair), inside].flat(3).filter(Boolean));
  if (stepped !== null) detail.querySelector(`[data-step="${stepped}"]:not(:disabled)`)?.focus();
  if (seeded !== null) detail.querySelector(`[data-seed="${seeded}"]`)?.focus();
}

function render() {
  draw();
  table();
  details();
}

root.hidden = false;
state = read();
controls();
render();
if (location.hash.startsWith(PREFIX)) document.getElementById("curves").scrollIntoView();
addEventListener("hashchange", () => {
  if (!location.hash.startsWith(PREFIX)) return;
  state = read();
  controls();
  render();
});
let width = plot.clientWidth;
new ResizeObserver(() => {
  if (plot.clientWidth === width) return;
  width = plot.clientWidth;
  draw();
}).observe(plot);
