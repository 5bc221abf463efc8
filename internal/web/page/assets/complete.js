import { aborted, get } from "./api.js";
import { el } from "./dom.js";
import { context, fields, split, stages, value } from "./query.js";
import { amount, plain, visible } from "./text.js";

// Completion in the search box: names of fields, their values with how often they
// are there, and stages.

const wait = 150; // milliseconds of rest before values are asked for

export class Completion {
  /** range returns the time that values are looked for in. */
  constructor(input, list, range) {
    Object.assign(this, { input, list, range, items: [], active: -1, request: null });
    input.addEventListener("input", () => this.update());
    input.addEventListener("click", () => this.update());
    input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    input.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const item = event.target.closest("[role=option]");
      if (item) this.take(this.items[Number(item.dataset.index)]);
    });
  }

  close() {
    this.request?.abort();
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  get isOpen() {
    return !this.list.hidden;
  }

  update() {
    this.request?.abort();
    clearTimeout(this.timer);
    const text = this.input.value;
    const at = context(text, this.input.selectionStart ?? text.length);
    if (!at) return this.close();
    const starts = (name) => name.startsWith(at.typed.trim().toLowerCase());
    switch (at.kind) {
      case "stage":
        return this.show(Object.entries(stages).filter(([name]) => starts(name)).map(([name, note]) => ({ at, text: name, note, add: " " })));
      case "column":
        return this.show(Object.entries(fields).filter(([name]) => starts(name) && name !== "message").map(([name, note]) => ({ at, text: (/^\s/.test(at.typed) ? " " : "") + name, note, add: "" })));
      case "value":
        this.timer = setTimeout(() => this.values(at), wait);
        return undefined;
      default:
        // An empty place offers nothing until one types, so that Enter searches.
        if (at.typed === "") return this.close();
        return this.show(Object.entries(fields).filter(([name]) => starts(name)).map(([name, note]) => ({ at, text: name, note, add: ":" })));
    }
  }

  async values(at) {
    if (at.field === "message" || at.field === "@timestamp") return;
    this.request = new AbortController();
    const text = this.input.value;
    // What else the query asks for narrows the values; an unfinished one may be wrong.
    const name = text.lastIndexOf(at.field, at.from);
    const rest = split(text.slice(0, name).replace(/-$/, "") + text.slice(at.to)).terms;
    const params = { ...this.range(), field: at.field, n: 200 };
    try {
      const answer = await get("top", { ...params, q: rest }, this.request.signal).catch((error) => {
        if (aborted(error)) throw error;
        return get("top", params, this.request.signal);
      });
      const typed = at.typed.toLowerCase();
      const rows = answer.rows.filter((r) => r[at.field] !== "" && r[at.field].toLowerCase().includes(typed));
      rows.sort((a, b) => Number(b[at.field].toLowerCase().startsWith(typed)) - Number(a[at.field].toLowerCase().startsWith(typed)));
      this.show(rows.slice(0, 12).map((r) => ({ at, text: value(r[at.field]), label: r[at.field], note: amount(r.count), add: " " })));
    } catch {
      this.close();
    }
  }

  show(items) {
    if (items.length === 1 && items[0].text.trim() === items[0].at.typed.trim() && items[0].add !== ":") items = [];
    if (items.length === 0 || document.activeElement !== this.input) return this.close();
    this.items = items;
    this.active = -1;
    this.list.replaceChildren(...items.map((item, i) => {
      const option = el("li", { role: "option", id: `completion-${i}`, "aria-selected": "false", title: plain(item.label ?? item.text) },
        el("span", { class: "name" }, visible(item.label ?? item.text, { max: 100 })), el("span", { class: "note" }, item.note));
      option.dataset.index = String(i);
      return option;
    }));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.input.removeAttribute("aria-activedescendant");
    return undefined;
  }

  select(index) {
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = (index + this.items.length) % this.items.length;
    const option = this.list.children[this.active];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  key(event) {
    if (!this.isOpen) {
      if (event.key === "ArrowDown") this.update();
      return;
    }
    if (event.key === "ArrowDown") this.select(this.active + 1);
    else if (event.key === "ArrowUp") this.select(this.active < 0 ? this.items.length - 1 : this.active - 1);
    else if (event.key === "Tab" || (event.key === "Enter" && this.active >= 0)) this.take(this.items[Math.max(0, this.active)]);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  take({ at, text, add }) {
    const old = this.input.value;
    const tail = old.slice(at.to);
    const head = old.slice(0, at.from) + text + (add === " " && /^\s/.test(tail) ? "" : add);
    this.input.value = head + tail;
    this.input.setSelectionRange(head.length, head.length);
    this.close();
    if (add === ":") this.update();
  }
}
