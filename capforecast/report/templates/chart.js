// Levels as people write them; the ladders of units come with the rows.
const NOTHING = "-";
const digits = (value) => {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) {
    const [mantissa, power] = value.toExponential(2).split("e");
    return Number(mantissa) + "e" + power[0] + power.slice(1).padStart(2, "0");
  }
  return size >= 999.5 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
};
const numberText = (value, scale) => {
  if (value === null || !Number.isFinite(value)) return NOTHING;
  const [factor, least, divisor, suffix] = scale;
  const level = value * factor;
  let at = least.length - 1;
  while (at > 0 && least[at] > Math.abs(level)) at -= 1;
  return digits(level / divisor[at]) + suffix[at];
};
const probabilityText = (p) =>
  p === null ? NOTHING : p > 0 && p < 0.01 ? "<1 %" : p > 0.99 && p < 1 ? ">99 %" : Math.round(100 * p) + " %";
const dayText = (today, day) =>
  day === null ? NOTHING : new Date(today + day * 864e5).toISOString().slice(0, 10);
const rangeText = (today, first, last) => {
  if (first === null && last === null) return NOTHING;
  const [from, to] = [first, last].map((day) => (day === null ? "" : dayText(today, day)));
  if (first === last) return from;
  return from + ".." + (from && to && from.slice(0, 4) === to.slice(0, 4) ? to.slice(5) : to);
};
const drawn = (name, attributes, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  return node;
};
// All of history, median and thresholds, of the band no more than their own width again.
const rangeOf = (core, wide) => {
  const known = (list) => list.filter((value) => value !== null && Number.isFinite(value));
  const inner = known(core);
  const outer = inner.concat(known(wide));
  if (!outer.length) return [0, 1];
  const [least, most] = inner.length ? [Math.min(...inner), Math.max(...inner)] : [Math.min(...outer), Math.max(...outer)];
  const reach = most - least || Math.max(Math.abs(most), 1) / 4;
  let low = Math.max(Math.min(...outer), least - reach);
  const high = Math.min(Math.max(...outer), most + reach);
  if (low > 0 && low <= high / 4) low = 0;
  const pad = high - low > 1e-12 * Math.max(Math.abs(low), Math.abs(high)) ? 0 : Math.abs(high) / 20 || 1;
  return [low - pad, high + pad];
};
const ticksOf = (low, high, most) => {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((size) => size >= raw * 0.999);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(Math.floor(high / step) - first + 1, 0) }, (_, i) => (first + i) * step);
};
// `what`: lines [history, q10, q50, q90] of points [day, level], limits [name, level], days of the breach, title, today.
const chartOf = (what, scale, width) => {
  const [past, lower, middle, upper] = what.lines;
  const level = (points) => points.map((point) => point[1]);
  const [low, high] = rangeOf(
    [...level(past), ...level(middle), ...what.limits.map((limit) => limit[1])], [...level(lower), ...level(upper)]);
  const days = [...past, ...middle].filter((point) => point[1] !== null).map((point) => point[0]);
  const [first, last] = days.length ? [Math.min(...days), Math.max(...days)] : [0, 0];
  const [left, top, right, bottom] = [76, 8, width - 12, 200];
  const x = (day) => left + ((right - left) * (day - first)) / Math.max(last - first, 1);
  const y = (value) => bottom - ((bottom - top) * (Math.min(Math.max(value, low), high) - low)) / (high - low);
  const at = (point) => x(point[0]).toFixed(1) + " " + y(point[1]).toFixed(1);
  const runs = (points) => {
    const found = [[]];
    for (const point of points) {
      if (point[1] !== null) found[found.length - 1].push(point);
      else if (found[found.length - 1].length) found.push([]);
    }
    return found.filter((run) => run.length);
  };
  const line = (points) =>
    runs(points).map((run) => "M" + run.map(at).join("L") + (run.length === 1 ? "h0" : "")).join("");
  const svg = drawn("svg", { class: "chart live", viewBox: "0 0 " + width + " 222", role: "img", "font-size": 12, fill: "currentColor" });
  const stroke = { fill: "none", stroke: "currentColor", "stroke-linecap": "round", "stroke-linejoin": "round" };
  const add = (name, attributes, text) => svg.append(drawn(name, attributes, text));
  add("title", {}, what.title);
  for (const tick of ticksOf(low, high, 5)) {
    add("path", { class: "grid", ...stroke, "stroke-opacity": 0.15, d: "M" + left + " " + y(tick) + "H" + right });
    add("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, numberText(tick, scale));
  }
  const dates = Math.max(2, Math.min(6, Math.floor((right - left) / 110)));
  for (let i = 0; i < dates; i += 1) {
    const day = Math.round(first + ((last - first) * i) / (dates - 1));
    const anchor = i === 0 ? "start" : i === dates - 1 ? "end" : "middle";
    add("text", { x: x(day), y: 217, "text-anchor": anchor }, dayText(what.today, day));
  }
  const [early, likely, late] = what.breach;
  const inside = (day) => day !== null && day >= first && day <= last;
  const upright = "V" + bottom;
  if (inside(early)) {
    const end = late === null ? right : x(Math.min(late, last));
    add("path", { class: "window", "fill-opacity": 0.1,
      d: "M" + x(early) + " " + top + upright + "H" + Math.max(end, x(early) + 2) + "V" + top + "Z" });
  }
  if (inside(likely))
    add("path", { class: "likely", ...stroke, "stroke-width": 1.5, "stroke-dasharray": "2 3", d: "M" + x(likely) + " " + top + upright });
  const edge = [...upper.filter((p) => p[1] !== null), ...lower.filter((p) => p[1] !== null).reverse()];
  if (edge.length) add("path", { class: "band", "fill-opacity": 0.2, d: "M" + edge.map(at).join("L") + "Z" });
  add("path", { class: "actual", ...stroke, "stroke-width": 1.6, d: line(past) });
  add("path", { class: "median", ...stroke, "stroke-width": 2, d: line(middle) });
  const measured = past.filter((point) => point[1] !== null);
  if (measured.length && measured[measured.length - 1][0] < last)
    add("path", { class: "now", ...stroke, "stroke-opacity": 0.4, d: "M" + x(measured[measured.length - 1][0]) + " " + top + upright });
  for (const [name, value] of what.limits) {
    add("path", { class: "limit", ...stroke, "stroke-width": 1.3, "stroke-dasharray": "6 4", d: "M" + left + " " + y(value) + "H" + right });
    add("text", { class: "limit", x: left + 4, y: y(value) + (y(value) > top + 14 ? -4 : 14) }, name + " " + numberText(value, scale));
  }
  svg.dayAt = (place) => Math.round(first + ((place - left) / (right - left)) * Math.max(last - first, 1));
  svg.span = [first, last];
  svg.point = (day) => {
    svg.querySelector(".cross")?.remove();
    add("path", { class: "cross", ...stroke, "stroke-opacity": 0.6, d: "M" + x(day) + " " + top + upright });
  };
  return svg;
};
// What a chart shows at one day, in words.
const wordsAt = (what, scale, day) => {
  const near = (points) => points.find((point) => point[1] !== null && Math.abs(point[0] - day) <= what.stride / 2);
  const [past, lower, middle, upper] = what.lines.map(near);
  const text = (point) => numberText(point[1], scale);
  const known = past || middle;
  if (!known) return dayText(what.today, day) + ": nothing is known";
  const said = past ? "measured about " + text(past) : "median about " + text(middle) + ", 8 of 10 futures " + text(lower) + " to " + text(upper);
  return (what.stride > 1 ? "around " : "") + dayText(what.today, known[0]) + ": " + said;
};
// Pointer and arrow keys walk over the days of a chart.
const walkable = (plot, readout, what, scale) => {
  let day = 0;
  const show = (wanted) => {
    const svg = plot.querySelector("svg");
    day = Math.min(Math.max(wanted, svg.span[0]), svg.span[1]);
    svg.point(day);
    readout.textContent = wordsAt(what, scale, day);
  };
  plot.addEventListener("pointermove", (event) => {
    const svg = plot.querySelector("svg");
    const box = svg.getBoundingClientRect();
    show(svg.dayAt(((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width));
  });
  plot.addEventListener("focus", () => show(day));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -what.stride, ArrowRight: what.stride, PageUp: 7, PageDown: -7 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(day + step);
  });
};
