// The ranked table from the packed rows: a part at a time, found, picked and sorted.
const AT_ONCE = 100;
const PICKS = [["severity", "Severity"], ["status", "Status"], ["days_bucket", "Days to the breach"],
  ["change_class", "Change"], ["grade", "Grade"], ["metric", "Metric"], ["service", "Service"], ["team", "Team"],
  ["env", "Env"], ["site", "Site"], ["criticality", "Criticality"]];
const html = (name, text, attributes) => {
  const node = document.createElement(name);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  return node;
};
const table = document.getElementById("rows");
const form = document.querySelector("form.find");
const further = document.getElementById("further");

const start = ({ rows, items, units, facts, severities, today: day }, curve) => {
  const today = Date.parse(day);
  const count = rows.item.length;
  const of = (name, row) => (name in rows ? rows[name][row] : items[name][rows.item[row]]);
  const scale = (row) => units[of("unit", row) || ""];
  const level = (row, value) => numberText(value, scale(row));
  const changed = (row) => {
    const [change, slipped] = [of("change_class", row), of("days_slipped", row)];
    if (change === null || change === "same") return null;
    if (!slipped) return change;
    return change + ", " + Math.abs(slipped) + (Math.abs(slipped) === 1 ? " day " : " days ") + (slipped < 0 ? "sooner" : "later");
  };
  const written = {
    text: (value) => String(value),
    probability: probabilityText,
    level: (value, row) => level(row, value),
    growth: (value, row) => level(row, value).replace(" %", " points") + " per day",
    days: (value) => digits(value) + " days",
    percent: (value) => digits(value) + " %",
    skill: (value) => digits(Math.abs(100 * value)) + " % " + (value >= 0 ? "less" : "more"),
  };
  const DATES = new Set(["breach_date_p50", "last_change"]);
  const fact = (row, column, form) => {
    const value = of(column, row);
    if (value === null || value === "") return null;
    return DATES.has(column) ? dayText(today, value) : written[form](value, row);
  };

  // What each column is sorted by; the first is the rank, which is the order of the rows.
  const rank = (row) => severities.indexOf(of("severity", row) || "none");
  const keys = [(row) => row, rank, ...["host", "metric", "instance", "threshold", "current", "p_breach_30d",
    "breach_date_p10", "start_by_date", "add_needed_90d", "grade"].map((name) => (row) => of(name, row))];
  const state = { column: 0, sign: 1, shown: 0, order: Array.from({ length: count }, (_, row) => row) };

  const texts = [];
  const text = (row) => {
    const names = ["host", "metric", "instance", "threshold_name", "severity", "status", "change_class", "owner", "grade_words", "reason"];
    texts[row] ??= names.map((name) => of(name, row) ?? "").join(" ").toLowerCase();
    return texts[row];
  };
  const limits = new Map();
  const limitsOf = (series) => {
    if (!limits.size)
      rows.item.forEach((item, row) => {
        const owner = items.curve[item];
        if (!limits.has(owner)) limits.set(owner, []);
        if (rows.threshold[row] !== null) limits.get(owner).push([rows.threshold_name[row] || "threshold", rows.threshold[row]]);
      });
    return limits.get(series);
  };

  const details = async (row, box) => {
    const list = html("dl");
    for (const [name, column, form] of facts) {
      const value = fact(row, column, form);
      if (value === null) continue;
      const pair = html("div");
      pair.append(html("dt", name), html("dd", value));
      list.append(pair);
    }
    const series = of("curve", row);
    if (series !== null) {
      const plot = html("div", null, { class: "plot", tabindex: 0, role: "group", "aria-label": "Chart: arrow keys walk over its days" });
      const readout = html("p", null, { class: "soft readout", role: "status" });
      box.append(plot, readout);
      const { lines, stride } = (await curve())(series);
      const first = lines[0].findIndex((point) => point[1] !== null);
      lines[0] = first < 0 ? [] : lines[0].slice(first);
      const name = ["host", "metric", "instance"].map((part) => of(part, row)).filter(Boolean).join(" ");
      const breach = ["breach_date_p10", "breach_date_p50", "breach_date_p90"].map((part) => of(part, row));
      const about = { lines, stride, breach, today, limits: limitsOf(series), title: name + ": history, forecast and thresholds" };
      const draw = () => plot.replaceChildren(chartOf(about, scale(row), Math.max(280, Math.min(plot.clientWidth || 900, 960))));
      draw();
      new ResizeObserver(draw).observe(box.parentNode);
      walkable(plot, readout, about, scale(row));
    }
    box.append(list);
  };
  const body = (row) => {
    const group = html("tbody");
    const first = html("tr");
    const cell = (content, kind, small) => {
      const node = html("td", content, kind ? { class: kind } : {});
      if (small) node.append(html("small", small));
      first.append(node);
    };
    const severity = of("severity", row) || "none";
    const status = of("status", row);
    cell(row + 1, "n");
    cell(severity, "s " + (severities.includes(severity) ? severity : "none"), status === "will_breach" ? "" : (status || "").replace("_", " "));
    first.append(html("th", of("host", row), { scope: "row" }));
    cell(of("metric", row));
    cell(of("instance", row));
    cell(level(row, of("threshold", row)), "n", of("threshold_name", row));
    const space = of("headroom", row);
    cell(level(row, of("current", row)), "n", space === null ? "" : level(row, Math.abs(space)) + (space >= 0 ? " left" : " over"));
    cell(probabilityText(of("p_breach_30d", row)), "n");
    cell(rangeText(today, of("breach_date_p10", row), of("breach_date_p90", row)), "d", changed(row));
    cell(dayText(today, of("start_by_date", row)), "d");
    cell(of("add_needed_90d", row) ? level(row, of("add_needed_90d", row)) : NOTHING, "n");
    cell(of("grade", row) || NOTHING, "g");
    const second = html("tr", null, { class: "m" });
    const wide = html("td", null, { colspan: 11 });
    const more = html("details");
    more.append(html("summary", of("reason", row) || status || NOTHING));
    more.addEventListener("toggle", () => {
      if (more.open && more.children.length === 1) {
        const box = html("div");
        more.append(box);
        details(row, box);
      }
    });
    wide.append(more);
    second.append(html("td"), wide);
    group.append(first, second);
    return group;
  };
  const showMore = () => {
    const part = state.order.slice(state.shown, state.shown + AT_ONCE);
    table.append(...part.map(body));
    state.shown += part.length;
    further.parentNode.hidden = state.shown >= state.order.length;
    document.getElementById("left").textContent = state.order.length + " of " + count + " rows" +
      (state.shown < state.order.length ? ", " + state.shown + " shown" : "");
  };
  const missing = (value) => value === null || value === undefined || value === "";
  const arrange = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const picked = [...form.querySelectorAll("select")].filter((pick) => pick.selectedIndex > 0);
    const fits = (row) =>
      picked.every((pick) => (of(pick.name, row) ?? "") === pick.value) && words.every((word) => text(row).includes(word));
    const found = [];
    for (let row = 0; row < count; row += 1) if (fits(row)) found.push([keys[state.column](row), row]);
    // Rows without a value come last whichever way; rows alike stay in order of rank.
    found.sort(([a, i], [b, j]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
      return a < b ? -state.sign : a > b ? state.sign : i - j;
    });
    state.order = found.map((pair) => pair[1]);
    state.shown = 0;
    for (const old of [...table.tBodies]) old.remove();
    showMore();
    for (const tile of document.querySelectorAll(".count")) {
      const pick = form.elements[tile.dataset.column];
      const on = Boolean(pick) && pick.selectedIndex > 0 && pick.value === tile.dataset.word;
      tile.classList.toggle("on", on);
      tile.querySelector("button")?.setAttribute("aria-pressed", on);
    }
  };
  const addPicks = () => {
    for (const [column, title] of PICKS) {
      const words = new Map();
      for (let row = 0; row < count; row += 1) {
        const word = of(column, row) ?? "";
        words.set(word, (words.get(word) || 0) + 1);
      }
      if (words.size < 2 || words.size > 1000) continue;
      const pick = html("select", null, { name: column });
      pick.append(html("option", "all"));
      const listed = [...words].sort(([a], [b]) => (column === "severity" ? severities.indexOf(a) - severities.indexOf(b) : a < b ? -1 : 1));
      for (const [word, rows] of listed) pick.append(html("option", (word.replace("_", " ") || "none") + " (" + rows + ")", { value: word }));
      const label = html("label", title);
      label.append(pick);
      form.querySelector(".picks").append(label);
    }
  };
  const pickOnClick = (holder, column, word) => {
    const pick = form.elements[column];
    if (!pick || ![...pick.options].slice(1).some((option) => option.value === word)) return;
    const button = html("button", null, { type: "button", "aria-pressed": "false" });
    button.append(...holder.childNodes);
    holder.append(button);
    button.addEventListener("click", () => {
      if (pick.selectedIndex > 0 && pick.value === word) pick.selectedIndex = 0;
      else pick.selectedIndex = [...pick.options].findIndex((option, i) => i > 0 && option.value === word);
      arrange();
      table.scrollIntoView({ block: "nearest" });
    });
  };
  const addSorting = () => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = html("button", null, { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        state.sign = state.column === column ? -state.sign : 1;
        state.column = column;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", state.sign > 0 ? "ascending" : "descending");
        arrange();
      });
    });
  };
  const clear = () => {
    state.column = 0;
    state.sign = 1;
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    arrange();
  };

  addPicks();
  addSorting();
  for (const tile of document.querySelectorAll(".count")) pickOnClick(tile.querySelector("dt"), tile.dataset.column, tile.dataset.word);
  for (const head of document.querySelectorAll("th[data-label]")) pickOnClick(head, head.dataset.label, head.textContent);
  form.addEventListener("input", arrange);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(clear));
  further.addEventListener("click", showMore);
  form.hidden = false;
  arrange();
  document.documentElement.dataset.ready = "";
};

if (typeof DecompressionStream === "undefined") document.getElementById("old").hidden = false;
else {
  let curves;
  const curve = () => (curves ??= unpackedCurves());
  unpackedRows().then((content) => start(content, curve));
}
