import { get } from "./api.js";
import { el } from "./dom.js";
import { amount } from "./text.js";
import { bounds, clock, short, stamp, zone } from "./time.js";
import uPlot from "./uplot/uPlot.js";

// Events over time, stacked by severity, the worst at the bottom where it is seen
// first. Dragging over it chooses a range.

const groups = [
  { name: "critical", of: ["emerg", "alert", "crit"], colour: "--bar-crit" },
  { name: "error", of: ["err"], colour: "--bar-err" },
  { name: "warning", of: ["warning"], colour: "--bar-warning" },
  { name: "notice, info", of: ["notice", "info"], colour: "--bar-info" },
  { name: "debug", of: ["debug"], colour: "--bar-debug" },
];

const groupOf = Object.fromEntries(groups.flatMap((g, i) => g.of.map((s) => [s, i])));

const steps = ["1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d", "2d", "7d", "30d"];
const seconds = (step) => Number.parseInt(step, 10) * { s: 1, m: 60, h: 3600, d: 86400 }[step.at(-1)];

/** stepFor chooses a span of time so that there are at most so many bars. */
export function stepFor(millis, bars) {
  return steps.find((s) => millis / 1000 / seconds(s) <= bars) ?? steps.at(-1);
}

/** colour returns what a custom property is now, light or dark. */
export function colour(name) {
  const probe = el("span", { class: "probe" });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** labels writes the times of an axis. */
export function labels(_, splits, __, ___, increment) {
  return splits.map((s) => {
    const date = new Date(s * 1000);
    const text = clock(date);
    if (text === "00:00:00" || increment >= 86400) return short(date).slice(0, 5);
    return increment >= 60 ? text.slice(0, 5) : text;
  });
}

export class Histogram {
  /** zoom(from, to) is told of a range that was dragged, in milliseconds. */
  constructor(parent, zoom) {
    Object.assign(this, { parent, zoom, plot: null, total: 0 });
    this.tip = el("div", { class: "tip", hidden: true });
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(parent);
  }

  size() {
    return { width: Math.max(200, this.parent.clientWidth), height: this.parent.clientHeight || 110 };
  }

  /** load asks for the counts, draws them, and returns how many events there are. */
  async load(terms, range, now, signal) {
    const { from, to } = bounds(range, now);
    const bars = Math.max(30, Math.min(120, Math.floor(this.parent.clientWidth / 9)));
    const step = from === null ? undefined : stepFor(to - from, bars);
    const answer = await get("histogram", { q: terms, since: range.since && new Date(from).toISOString(), until: range.until, step, by: "severity" }, signal);
    let width = answer.step_seconds || 60;
    const rows = answer.rows.map((r) => ({ at: Date.parse(r.time) / 1000, group: groupOf[r.severity] ?? 3, count: r.count }));
    const lowest = from !== null ? from / 1000 : rows.reduce((a, r) => Math.min(a, r.at), to / 1000 - width);
    this.draw(rows, lowest, to / 1000, width);
    this.total = rows.reduce((sum, r) => sum + r.count, 0);
    return { total: this.total + (answer.others ?? []).reduce((sum, r) => sum + r.count, 0), incomplete: answer.incomplete };
  }

  draw(rows, from, to, width) {
    const first = Math.floor(from / width) * width;
    const count = Math.min(5000, Math.max(1, Math.ceil((to - first) / width)));
    const times = Array.from({ length: count }, (_, i) => first + i * width);
    const series = groups.map(() => new Array(count).fill(0));
    for (const r of rows) {
      const i = Math.round((r.at - first) / width);
      if (i >= 0 && i < count) series[r.group][i] += r.count;
    }
    this.counts = series.map((s) => s.slice());
    for (let g = 1; g < series.length; g++) for (let i = 0; i < count; i++) series[g][i] += series[g - 1][i];
    this.last = { times, series, from: first, to: Math.max(to, first + count * width), width };
    this.show();
  }

  /** show draws what there is, in the colours of now. */
  show() {
    if (!this.last) return;
    const { times, series, from, to, width } = this.last;
    const grid = colour("--line");
    const text = colour("--dim");
    const bars = uPlot.paths.bars({ size: [0.86, 60], align: 1, gap: 1 });
    this.plot?.destroy();
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      padding: [8, 18, 0, 0],
      tzDate: (ts) => (zone() === "UTC" ? uPlot.tzDate(new Date(ts * 1000), "Etc/UTC") : new Date(ts * 1000)),
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 } },
      scales: { x: { time: true, range: [from, to] }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.05)] } },
      axes: [
        { stroke: text, grid: { show: false }, ticks: { stroke: grid, size: 4 }, size: 24, space: 72, font: "11px system-ui", values: labels },
        { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 46, font: "11px system-ui", space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8], values: (_, v) => v.map(compact) },
      ],
      // The highest stack is drawn first, and the lower ones over it.
      series: [{}, ...groups.map((g) => ({ label: g.name, paths: bars, fill: colour(g.colour), width: 0, points: { show: false } })).reverse()],
      hooks: {
        setSelect: [(u) => {
          if (u.select.width < 4) return;
          const a = u.posToVal(u.select.left, "x") * 1000;
          const b = u.posToVal(u.select.left + u.select.width, "x") * 1000;
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          this.zoom(a, b);
        }],
        setCursor: [(u) => this.point(u)],
      },
    }, [times, ...series.slice().reverse()], this.parent);
    this.plot.over.append(this.tip);
    this.plot.root.setAttribute("aria-hidden", "true");
    this.width = width;
  }

  /** point tells what is under the pointer. */
  point(u) {
    const left = u.cursor.left;
    if (left === undefined || left < 0) {
      this.tip.hidden = true;
      return;
    }
    const i = Math.floor((u.posToVal(left, "x") - this.last.from) / this.last.width);
    const all = this.last.series.at(-1)[i];
    if (!all) {
      this.tip.hidden = true;
      return;
    }
    const at = new Date(this.last.times[i] * 1000);
    this.tip.replaceChildren(
      el("b", {}, `${stamp(at)} – ${clock(new Date((this.last.times[i] + this.last.width) * 1000))}`),
      ...groups.flatMap((g, k) => (this.counts[k][i] ? [el("span", { class: `key key-${k}` }, `${g.name} ${amount(this.counts[k][i])}`)] : [])));
    this.tip.hidden = false;
    this.tip.classList.toggle("left", left > u.over.clientWidth / 2);
    this.tip.style.left = `${left}px`;
  }
}

/** compact writes 12000 as 12k. */
export function compact(n) {
  if (n >= 1e9) return `${n / 1e9}G`;
  if (n >= 1e6) return `${n / 1e6}M`;
  if (n >= 1e4) return `${n / 1e3}k`;
  return String(n);
}
