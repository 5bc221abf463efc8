import { by, el } from "./dom.js";
import { bounds, describe, ranges, span, spanText, stamp, typed, zone } from "./time.js";

// The choice of time: a span before now, or from here to there.

export class Range {
  /** change is told of {since, until}. */
  constructor(change) {
    this.button = by("range");
    this.panel = by("range-panel");
    this.change = change;
    this.now = { since: "1h", until: "" };
    this.button.addEventListener("click", () => (this.panel.hidden ? this.open() : this.close()));
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
      this.button.focus();
    });
    addEventListener("pointerdown", (event) => {
      if (!event.target.closest?.(".range")) this.close();
    });
  }

  /** set shows a range. */
  set({ since, until }) {
    this.now = { since, until };
    this.button.textContent = describe(this.now);
    this.button.setAttribute("aria-label", `Time: ${describe(this.now)}`);
  }

  open() {
    const { from, to } = bounds(this.now, Date.now());
    const input = (id, at) => el("input", { type: "datetime-local", step: "1", id, value: stamp(new Date(at)).replace(" ", "T") });
    const first = input("range-from", from ?? to - 3600e3);
    const last = input("range-to", to);
    const problem = el("p", { class: "bad", role: "alert", hidden: true });
    this.panel.replaceChildren(
      el("div", { class: "presets" }, ...ranges.map(([since, label]) =>
        el("button", { type: "button", class: "quiet", "aria-pressed": String(this.now.since === since && !this.now.until), onclick: () => this.take({ since, until: "" }) }, label))),
      el("form", { class: "absolute", onsubmit: (event) => {
        event.preventDefault();
        const a = typed(first.value);
        const b = typed(last.value);
        problem.hidden = false;
        if (!a || !b) problem.textContent = "Write both times.";
        else if (a >= b) problem.textContent = "The start must be before the end.";
        else this.take({ since: a.toISOString(), until: b.toISOString() });
      } },
      el("label", { for: "range-from" }, `From (${zone()} time)`), first,
      el("label", { for: "range-to" }, "To"), last, problem,
      el("button", { type: "submit", class: "primary" }, "Apply")));
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    (this.panel.querySelector("[aria-pressed=true]") ?? first).focus();
  }

  close() {
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  take(range) {
    this.close();
    this.change(range);
  }

  /**
   * zoomOut returns a range that is twice as long: around the same middle, but not into
   * the future, and before now where the range is.
   */
  zoomOut() {
    const now = Date.now();
    const { from, to } = bounds(this.now, now);
    if (from === null) return null;
    if (!this.now.until && span(this.now.since) !== null) return { since: spanText(2 * span(this.now.since)), until: "" };
    const more = (to - from) / 2;
    const end = Math.max(to, Math.min(to + more, now));
    return { since: new Date(end - 2 * (to - from)).toISOString(), until: new Date(end).toISOString() };
  }

  /** shift returns the range before or behind, by half its length. */
  shift(direction) {
    const { from, to } = bounds(this.now, Date.now());
    if (from === null) return null;
    const step = (direction * (to - from)) / 2;
    return { since: new Date(from + step).toISOString(), until: new Date(to + step).toISOString() };
  }
}
