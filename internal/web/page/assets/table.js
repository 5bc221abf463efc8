import { el } from "./dom.js";
import { plain, visible } from "./text.js";
import { clock, day, stamp } from "./time.js";

// The table of events. Only the rows that can be seen, and a few around them, are
// elements; all others are objects in a list. Rows are of one height, but for those
// that are expanded, whose details are measured.

const around = 12; // rows that are drawn beyond both edges
const shown = 2000; // characters of a message that a row draws

const classes = { emerg: "crit", alert: "crit", crit: "crit", err: "err", warning: "warning", notice: "notice", info: "info", debug: "debug" };

/** severityClass names the look of a severity. */
export const severityClass = (severity) => "sev-" + (classes[severity] ?? "info");

export class Table {
  /**
   * detail makes what an expanded row shows. nearEnd is told when the last rows come
   * into sight, and scrolled each time the list is scrolled.
   */
  constructor(parent, { detail, nearEnd = () => {}, scrolled = () => {} }) {
    this.rows = [];
    this.total = null; // of rows that there are, where more than are loaded
    this.open = []; // {row, index, height}, by index
    this.drawn = new Map(); // index → element
    this.current = -1;
    Object.assign(this, { detail, nearEnd });
    this.space = el("div", { class: "space", role: "presentation" });
    this.scroller = el("div", { class: "scroller", role: "treegrid", tabIndex: 0, "aria-label": "Events", "aria-rowcount": -1, "aria-colcount": 4 }, this.space);
    parent.replaceChildren(this.scroller);
    this.scroller.addEventListener("scroll", () => {
      this.draw();
      scrolled();
    }, { passive: true });
    this.scroller.addEventListener("click", (event) => this.clicked(event));
    this.resize = new ResizeObserver((entries) => this.resized(entries));
    this.resize.observe(this.scroller);
  }

  /** clear takes all rows away. */
  clear() {
    this.rows = [];
    this.open = [];
    this.current = -1;
    this.redraw();
    this.scroller.scrollTop = 0;
  }

  /** append adds rows at the end. */
  append(rows) {
    for (const row of rows) this.rows.push(row);
    this.draw();
  }

  /** trim forgets rows at the beginning, and keeps what is seen where it is. */
  trim(count) {
    const before = this.top(count);
    this.rows.splice(0, count);
    this.open = this.open.filter((o) => o.index >= count);
    for (const o of this.open) o.index -= count;
    this.current = Math.max(-1, this.current - count);
    this.redraw();
    this.scroller.scrollTop -= before;
  }

  /** redraw draws all anew, as when times are shown in another zone. */
  redraw() {
    for (const e of this.drawn.values()) e.remove();
    this.drawn.clear();
    this.height = 0;
    this.draw();
  }

  rowHeight() {
    this.height ||= parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row")) || 24;
    return this.height;
  }

  /** top returns where a row starts. */
  top(index) {
    let y = index * this.rowHeight();
    for (const o of this.open) {
      if (o.index >= index) break;
      y += o.height;
    }
    return y;
  }

  /** at returns the row at a place. */
  at(y) {
    const h = this.rowHeight();
    let extra = 0;
    for (const o of this.open) {
      const start = o.index * h + extra;
      if (y < start + h) break;
      if (y < start + h + o.height) return o.index;
      extra += o.height;
    }
    return Math.floor((y - extra) / h);
  }

  /** offset is how far the list is scrolled, in pixels. */
  get offset() {
    return this.scroller.scrollTop;
  }

  get atEnd() {
    const s = this.scroller;
    return s.scrollTop + s.clientHeight >= s.scrollHeight - 4;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.draw();
  }

  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    this.space.style.height = `${this.top(this.rows.length)}px`;
    this.scroller.setAttribute("aria-rowcount", String(this.total ?? this.rows.length));
    const first = Math.max(0, this.at(scrollTop) - around);
    const last = Math.min(this.rows.length - 1, this.at(scrollTop + clientHeight) + around);
    for (const [index, e] of this.drawn) {
      if (index < first || index > last) {
        e.remove();
        this.drawn.delete(index);
      }
    }
    for (let i = first; i <= last; i++) {
      let e = this.drawn.get(i);
      if (!e) {
        e = this.make(i);
        this.drawn.set(i, e);
        const next = [...this.drawn.keys()].filter((k) => k > i).reduce((a, b) => Math.min(a, b), Infinity);
        this.space.insertBefore(e, this.drawn.get(next) ?? null);
      }
      e.style.transform = `translateY(${this.top(i)}px)`;
    }
    if (this.rows.length > 0 && last >= this.rows.length - 200) this.nearEnd();
  }

  make(index) {
    const row = this.rows[index];
    const time = new Date(row.time);
    const open = this.open.find((o) => o.index === index);
    const line = el("div", { class: "line", role: "row", id: `row-${index}`, "aria-rowindex": index + 1, "aria-expanded": String(!!open), "aria-selected": String(index === this.current) },
      el("span", { class: "time", role: "gridcell", title: stamp(time, true) }, el("span", { class: "day" }, day(time).slice(5) + " "), clock(time), el("span", { class: "millis" }, clock(time, true).slice(8))),
      el("span", { class: "severity", role: "gridcell" }, row.severity || "–"),
      el("span", { class: "origin", role: "gridcell", title: plain(`${row.host} ${row.app}`) }, el("span", { class: "host" }, visible(row.host, { max: 80 })), " ", el("span", { class: "app" }, visible(row.app + (row.procid ? `[${row.procid}]` : ""), { max: 80 }))),
      el("span", { class: "message", role: "gridcell" }, visible(row.message, { max: shown })));
    const e = el("div", { class: `row ${severityClass(row.severity)}`, role: "rowgroup" }, line);
    e.dataset.index = String(index);
    e.classList.toggle("current", index === this.current);
    if (open) e.append(this.detailOf(open));
    return e;
  }

  detailOf(open) {
    open.element ??= el("div", { class: "detail", role: "row" }, el("div", { role: "gridcell" }, this.detail(open.row)));
    this.resize.observe(open.element);
    return open.element;
  }

  resized(entries) {
    for (const { target } of entries) {
      if (target === this.scroller) {
        const before = this.height;
        this.height = 0;
        if (before && this.rowHeight() !== before) this.redraw();
        continue;
      }
      const open = this.open.find((o) => o.element === target);
      if (open && target.isConnected) open.height = target.offsetHeight;
    }
    this.draw();
  }

  clicked(event) {
    const line = event.target.closest(".line");
    if (!line || String(getSelection()) !== "") return;
    const index = Number(line.parentElement.dataset.index);
    this.choose(index);
    this.toggle(index);
  }

  /** toggle shows or hides the details of a row. */
  toggle(index = this.current) {
    if (index < 0 || index >= this.rows.length) return;
    const at = this.open.findIndex((o) => o.index === index);
    if (at >= 0) this.open.splice(at, 1);
    else {
      this.open.push({ row: this.rows[index], index, height: 0 });
      this.open.sort((a, b) => a.index - b.index);
    }
    this.drawn.get(index)?.remove();
    this.drawn.delete(index);
    this.draw();
    const open = this.open.find((o) => o.index === index);
    if (open?.element?.isConnected) {
      open.height = open.element.offsetHeight;
      this.draw();
    }
  }

  /** closeAll hides all details, and tells whether there were any. */
  closeAll() {
    const any = this.open.length > 0;
    this.open = [];
    if (any) this.redraw();
    return any;
  }

  /** choose makes a row the current one, and scrolls it into sight. */
  choose(index) {
    if (this.rows.length === 0) return;
    index = Math.max(0, Math.min(index, this.rows.length - 1));
    const old = this.drawn.get(this.current);
    old?.classList.remove("current");
    old?.firstChild.setAttribute("aria-selected", "false");
    this.current = index;
    const { scrollTop, clientHeight } = this.scroller;
    const top = this.top(index);
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.rowHeight() > scrollTop + clientHeight) this.scroller.scrollTop = top + this.rowHeight() - clientHeight;
    this.draw();
    const e = this.drawn.get(index);
    e?.classList.add("current");
    e?.firstChild.setAttribute("aria-selected", "true");
    this.scroller.setAttribute("aria-activedescendant", `row-${index}`);
  }

  move(steps) {
    this.choose(this.current + steps);
  }
}

/** columns are the fields that a row needs. */
export const columns = "@timestamp, severity, host, app, procid, message, id";

/** row makes a row of the columns, or of a whole document. */
export function row(found) {
  if (typeof found.event === "object") {
    const log = found.log?.syslog ?? {};
    return { time: found["@timestamp"], severity: found.log?.level ?? "", host: found.host?.name ?? "", app: log.appname ?? "",
      procid: log.procid ?? "", message: found.message, id: found.event.id, document: found };
  }
  return { time: found["@timestamp"], severity: found.severity, host: found.host, app: found.app, procid: found.procid, message: found.message, id: found.id };
}
