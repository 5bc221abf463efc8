import { el } from "./dom.js";
import { colour, compact, labels } from "./histogram.js";
import { fields, refine, split } from "./query.js";
import { severityClass } from "./table.js";
import { amount, counted, plain, visible } from "./text.js";
import { stamp, zone } from "./time.js";
import uPlot from "./uplot/uPlot.js";

// What stages make of events: a table, with a bar beside each number, and over time
// a plot.

const drawn = 1000; // rows that become elements
const lines = 8; // series of a plot

export class Results {
  /** change is told of a new query. */
  constructor(parent, change) {
    Object.assign(this, { parent, change });
    new ResizeObserver(() => this.plot?.setSize({ width: Math.max(200, this.parent.clientWidth - 24), height: 220 })).observe(parent);
  }

  /** show draws the rows, and says what they leave out. */
  show(rows, others, state) {
    this.plot?.destroy();
    this.plot = null;
    this.shown = [rows, others, state];
    const names = [...new Set(rows.slice(0, 100).flatMap((r) => Object.keys(r)))];
    const numeric = names.filter((n) => rows.every((r) => typeof r[n] === "number"));
    const measure = numeric.find((n) => n === "count" || n === "rate");
    const keys = names.filter((n) => n !== measure && n !== "time");
    const parts = [];
    const stage = el("div", { class: "rows-plot" });
    const timed = names.includes("time") && measure && rows.length > 1;
    if (timed) parts.push(stage);
    if (rows.length > 0) parts.push(this.table(rows.slice(0, drawn), names, numeric, measure, keys, state));
    else parts.push(el("p", { class: "empty" }, "No rows: nothing was found in this time."));
    if (rows.length > drawn) parts.push(el("p", { class: "dim" }, `The first ${amount(drawn)} of ${counted(rows.length, "row")}; behind "| top 100 …" stand fewer.`));
    for (const o of others) {
      const of = o.field ? `${o.field}: ` : "";
      parts.push(el("p", { class: "dim" }, `${of}${o.groups ? counted(o.groups, "more group") : "further groups"} with ${counted(o.count ?? 0, "event")} are left out.`));
    }
    this.parent.replaceChildren(...parts);
    this.parent.scrollTop = 0;
    if (timed) this.draw(stage, rows, measure, keys);
  }

  /** redraw draws the same again, as in other colours. */
  redraw() {
    if (this.shown && !this.parent.hidden) this.show(...this.shown);
  }

  table(rows, names, numeric, measure, keys, state) {
    const top = measure ? Math.max(...rows.map((r) => r[measure]), 1e-9) : 1;
    const head = el("tr", {}, ...names.map((n) => el("th", { scope: "col", class: numeric.includes(n) ? "number" : "" }, visible(n))), measure ? el("td", { class: "plot-cell" }) : null);
    const filter = (row) => {
      let q = split(state.q).terms;
      for (const k of row.field ? [row.field] : keys) {
        const name = k.toLowerCase();
        if ((name in fields || name.startsWith("sd.")) && name !== "@timestamp") q = refine(q, k, String(row.field ? row.value : row[k]));
      }
      this.change(q);
    };
    const body = rows.map((row) => {
      const bar = measure ? el("span", { class: "share" }) : null;
      if (bar) bar.style.width = `${Math.max(0.5, (100 * row[measure]) / top)}%`;
      const drill = measure && keys.length > 0;
      return el("tr", { class: row.severity ? severityClass(row.severity) : "" },
        ...names.map((n, i) => el("td", { class: numeric.includes(n) ? "number" : "" },
          drill && n === keys[0]
            ? el("button", { type: "button", class: "value", title: "Show these events", onclick: () => filter(row) }, visible(String(row[n] ?? "") || "(none)", { max: 1000 }))
            : cell(n, row[n], i))),
        bar ? el("td", { class: "plot-cell" }, bar) : null);
    });
    return el("table", { class: "data", "aria-label": plain(state.q) }, el("thead", {}, head), el("tbody", {}, ...body));
  }

  draw(parent, rows, measure, keys) {
    const label = (r) => keys.map((k) => plain(String(r[k]), 40) || "(none)").join(" · ") || measure;
    const sums = new Map();
    for (const r of rows) sums.set(label(r), (sums.get(label(r)) ?? 0) + r[measure]);
    const best = [...sums.entries()].sort((a, b) => b[1] - a[1]).slice(0, lines).map(([name]) => name);
    const times = [...new Set(rows.map((r) => Date.parse(r.time) / 1000))].sort((a, b) => a - b);
    const gap = times.slice(1).reduce((least, t, i) => Math.min(least, t - times[i]), Infinity);
    // Spans without events are left out of the rows, and are nothing, not unknown.
    const all = [];
    for (let t = times[0]; t <= times.at(-1) + gap / 2 && all.length < 5000; t += gap) all.push(t);
    const place = new Map(all.map((t, i) => [Math.round(t), i]));
    const series = best.map(() => new Array(all.length).fill(0));
    for (const r of rows) {
      const k = best.indexOf(label(r));
      const i = place.get(Math.round(Date.parse(r.time) / 1000));
      if (k >= 0 && i !== undefined) series[k][i] = r[measure];
    }
    const text = colour("--dim");
    const grid = colour("--line");
    this.plot = new uPlot({
      width: Math.max(200, this.parent.clientWidth - 24), height: 220, padding: [8, 24, 0, 0],
      tzDate: (ts) => (zone() === "UTC" ? uPlot.tzDate(new Date(ts * 1000), "Etc/UTC") : new Date(ts * 1000)),
      legend: { live: false }, cursor: { drag: { x: false, y: false } },
      axes: [
        { stroke: text, grid: { show: false }, ticks: { stroke: grid, size: 4 }, size: 26, space: 72, font: "11px system-ui", values: labels },
        { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui", size: 52, values: (_, v) => v.map(compact) },
      ],
      series: [{}, ...best.map((name, i) => ({ label: name, stroke: colour(`--series-${i}`), width: 1.5, points: { show: all.length < 60, size: 4 } }))],
    }, [all, ...series], parent);
    this.plot.root.setAttribute("aria-hidden", "true");
  }
}

function cell(name, content) {
  if (typeof content === "number") return amount(Math.round(content * 1000) / 1000);
  const text = content === undefined ? "" : typeof content === "string" ? content : JSON.stringify(content);
  if ((name === "time" || name === "@timestamp") && !Number.isNaN(Date.parse(text))) return stamp(new Date(text), name !== "time");
  return visible(text, { max: 2000 });
}
