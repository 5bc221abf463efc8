import { get } from "./api.js";
import { el } from "./dom.js";
import { has, refine, split, term } from "./query.js";
import { severityClass } from "./table.js";
import { amount, counted, plain, visible } from "./text.js";

// Values beside the results, with how many events have each. A click keeps those
// that have it, and with Alt those that do not.

const quick = ["severity", "host", "app", "facility"]; // counted from the log's index
const slow = ["source", "input", "msgid", "tags"]; // need the log, and are asked for when opened
const most = 8;
const order = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

export class Facets {
  /** change is told of a new query. */
  constructor(parent, change) {
    Object.assign(this, { parent, change, query: "", params: {}, opened: new Set() });
    this.boxes = new Map();
    for (const field of [...quick, ...slow]) {
      const list = el("ul", {});
      const box = el("details", { class: "facet", open: quick.includes(field) }, el("summary", {}, field), list);
      box.addEventListener("toggle", () => {
        if (box.open && slow.includes(field)) this.open(field);
      });
      this.boxes.set(field, { box, list });
      parent.append(box);
    }
    parent.append(el("p", { class: "dim small" }, "Click keeps a value, Alt-click leaves it out."));
  }

  /** load counts values of what the query finds. Until then those of the query before stand. */
  async load(query, range, signal) {
    this.parent.ariaBusy = "true";
    this.query = query;
    this.params = { q: split(query).terms, ...range };
    this.signal = signal;
    const fields = [...quick, ...slow.filter((f) => this.boxes.get(f).box.open)];
    try {
      this.show(fields, await get("fields", { ...this.params, fields: fields.join(","), n: most }, signal));
    } finally {
      if (!signal.aborted) this.parent.ariaBusy = "false";
    }
  }

  async open(field) {
    try {
      this.show([field], await get("fields", { ...this.params, fields: field, n: most }, this.signal));
    } catch (error) {
      this.boxes.get(field).list.replaceChildren(el("li", { class: "bad small" }, error.message ?? ""));
    }
  }

  show(fields, answer) {
    for (const field of fields) {
      let rows = answer.rows.filter((r) => r.field === field);
      if (field === "severity") rows = rows.toSorted((a, b) => order.indexOf(a.value) - order.indexOf(b.value));
      const top = Math.max(1, ...rows.map((r) => r.count));
      const others = (answer.others ?? []).find((o) => o.field === field);
      this.boxes.get(field).list.replaceChildren(
        ...rows.map((r) => this.item(field, r, top)),
        others ? el("li", { class: "dim small" }, others.groups ? counted(others.groups, "more value") : "more values") : "");
    }
  }

  item(field, { value, count }, top) {
    const wanted = term(field, value);
    const kept = has(this.query, wanted);
    const bar = el("span", { class: "share" });
    bar.style.width = `${Math.max(1, (100 * count) / top)}%`;
    const act = (exclude) => this.change(refine(this.query, field, value, exclude));
    return el("li", { class: field === "severity" ? severityClass(value) : "" },
      el("button", { type: "button", class: "pick", "aria-pressed": String(kept), title: `${plain(value || "(none)", 100)}: click keeps, Alt-click leaves out`, onclick: (event) => act(event.altKey) },
        bar, el("span", { class: "name" }, value === "" ? "(none)" : visible(value, { max: 100 })), el("span", { class: "number" }, amount(count))),
      el("button", { type: "button", class: "tiny not", "aria-label": `Without ${field} ${plain(value || "(none)", 60)}`, title: "Leave out", onclick: () => act(true) }, "−"));
  }
}
