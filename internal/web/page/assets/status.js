import { aborted, get } from "./api.js";
import { attention, lossesOf } from "./attention.js";
import { by, el } from "./dom.js";
import { amount, counted, octets, visible } from "./text.js";
import { lasting, stamp } from "./time.js";

// The state of the node: first what needs attention, then inputs, log, outputs and
// alerts, in the order in which messages pass them.

const interval = 2000; // milliseconds

export class Status {
  constructor() {
    this.view = by("status-view");
    this.before = null;
    this.alertsThere = true;
    this.losing = new Set();
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    clearTimeout(this.timer);
  }

  /** run shows the state, again and again until stop. */
  async run() {
    this.stop();
    this.abort = new AbortController();
    const { signal } = this.abort;
    if (!this.view.firstChild) this.view.replaceChildren(el("p", { class: "dim" }, "Asking…"));
    try {
      const [status, alerts] = await this.ask(signal);
      this.draw(status, alerts);
      this.before = status;
    } catch (error) {
      if (aborted(error)) return;
      const old = this.view.querySelector(".lost");
      const text = `${error.message} ${this.before ? `What stands below is of ${stamp(new Date(this.before.time))}.` : ""}`;
      if (old) old.textContent = text;
      else this.view.prepend(el("p", { class: "lost notice bad", role: "alert" }, text));
    }
    if (!signal.aborted) this.timer = setTimeout(() => this.run(), interval);
  }

  /** peek only counts what needs attention, for the mark beside the view's name. */
  async peek() {
    if (this.abort) return;
    try {
      const [status, alerts] = await this.ask();
      if (!this.abort) this.mark(attention(status, this.rates(status), alerts));
    } catch {
      // What was asked for by hand tells of lost connections.
    }
  }

  /** ask returns the state, and that of the alerts where there are any. */
  async ask(signal) {
    const status = await get("status", {}, signal);
    if (!this.alertsThere) return [status, null];
    const alerts = await get("alerts", {}, signal).catch((error) => {
      if (error.status !== 404) throw error;
      this.alertsThere = false;
      return null;
    });
    return [status, alerts];
  }

  mark(wrong) {
    const mark = by("attention-mark");
    mark.hidden = wrong.length === 0;
    mark.textContent = String(wrong.length);
    mark.title = `${wrong.length} need attention`;
  }

  /** rates compares with the state before. */
  rates(status) {
    const before = this.before?.started === status.started ? this.before : null;
    const seconds = before ? (Date.parse(status.time) - Date.parse(before.time)) / 1000 : 0;
    const of = (list, name) => list.find((x) => x.name === name);
    const rates = { seconds, growing: new Set(), eta: new Map(), losing: new Set(), inputs: new Map(), outputs: new Map(), stored: null };
    if (!(seconds > 0)) return rates;
    rates.stored = (status.log.stored_messages - before.log.stored_messages) / seconds;
    for (const i of status.inputs) {
      const old = of(before.inputs, i.name);
      rates.inputs.set(i.name, ((i.counts.received_messages ?? 0) - (old?.counts.received_messages ?? 0)) / seconds);
      for (const loss of lossesOf(i)) if (loss.n > (old?.counts[loss.counter] ?? 0)) rates.losing.add(`${i.name} ${loss.counter}`);
    }
    for (const o of status.outputs) {
      const old = of(before.outputs, o.name);
      if (!old) continue;
      rates.outputs.set(o.name, (o.delivered_messages - old.delivered_messages) / seconds);
      const less = (old.retained_messages - o.retained_messages) / seconds;
      if (less < 0) rates.growing.add(o.name);
      else if (less > 0) rates.eta.set(o.name, (o.retained_messages / less) * 1000);
    }
    return rates;
  }

  draw(status, alerts) {
    const rates = this.rates(status);
    const wrong = attention(status, rates, alerts);
    const scroll = this.view.scrollTop;
    this.mark(wrong);
    const per = (n) => (n === null || n === undefined ? "–" : `${amount(Math.round(n * 10) / 10)}/s`);
    this.view.replaceChildren(
      el("h2", {}, wrong.length === 0 ? "All is well" : "Needs attention"),
      wrong.length === 0
        ? el("p", { class: "well", role: "status" }, "Messages are taken, kept and delivered.")
        : el("ul", { class: "attention", role: "list" }, ...wrong.map((w) =>
          el("li", { class: w.level }, el("b", {}, w.what), " ", w.so, w.then ? el("span", { class: "then" }, w.then.startsWith("syslane ") ? el("code", {}, w.then) : w.then) : null))),
      el("p", { class: "dim" }, `${status.role} ${status.version}, up ${lasting(Date.parse(status.time) - Date.parse(status.started))}, as of ${stamp(new Date(status.time))}`),
      section("Inputs", ["", "received", "now", "stored", "not stored"], status.inputs.map((i) => {
        const rest = ["redelivered", "suppressed", "filtered", "limited", "dropped"].filter((n) => i.counts[`${n}_messages`] > 0).map((n) => `${amount(i.counts[`${n}_messages`])} ${n}`);
        if (i.counts.kernel_dropped_messages > 0) rest.push(`${amount(i.counts.kernel_dropped_messages)} lost in the kernel`);
        return [visible(i.name), amount(i.counts.received_messages ?? 0), per(rates.inputs.get(i.name)), amount(i.counts.stored_messages ?? 0), rest.join(", ") || "–"];
      }), "No inputs are configured."),
      section("Log", ["", "messages", "now", "size", "reaches back to"], [[
        status.log.disk_low ? "disk full" : status.log.failing ? "failing" : status.log.full ? "full" : "well", `${amount(status.log.retained_messages)} of ${amount(status.log.stored_messages)} stored`,
        per(rates.stored), `${octets(status.log.size_octets)} in ${counted(status.log.segments, "segment")}`, status.log.oldest ? stamp(new Date(status.log.oldest)) : "–"]]),
      section("Outputs", ["", "delivered", "now", "waiting", "not delivered", "state"], status.outputs.map((o) => {
        const rest = [o.dead_lettered_messages && `${amount(o.dead_lettered_messages)} dead-lettered`, o.dropped_messages && `${amount(o.dropped_messages)} dropped`, o.damaged_messages && `${amount(o.damaged_messages)} damaged`].filter(Boolean);
        const eta = rates.eta.get(o.name);
        return [visible(o.name), amount(o.delivered_messages), per(rates.outputs.get(o.name)), amount(o.retained_messages) + (eta && o.retained_messages > 1000 ? ` (${lasting(eta)})` : ""),
          rest.join(", ") || "–", el("span", { class: o.up ? "ok" : "down" }, o.up ? "up" : "down", o.retries > 0 ? ` · ${counted(o.retries, "retry", "retries")}` : "")];
      }), "No outputs: this node keeps the log and answers searches."),
      ...(alerts ? [section("Alerts", ["", "condition", "state", "groups", "query"], alerts.alerts.map((a) =>
        [visible(a.name), `${a.condition} within ${a.window}`, el("span", { class: a.state === "firing" ? "down" : a.state === "inactive" ? "ok" : "pending" }, a.state), `${amount(a.firing_groups)} of ${amount(a.watched_groups)} firing`, visible(a.query, { max: 200 })]), "No alerts are configured.")] : []));
    this.view.scrollTop = scroll;
  }
}

function section(title, heads, rows, none = "") {
  return el("section", {}, el("h3", {}, title), rows.length === 0
    ? el("p", { class: "dim" }, none)
    : el("div", { class: "wide" }, el("table", { class: "data", "aria-label": title },
      el("thead", {}, el("tr", {}, ...heads.map((h) => (h ? el("th", { scope: "col" }, h) : el("th", { scope: "col" }, title === "Log" ? "state" : "name"))))),
      el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((c, i) => el(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : {}, c))))))));
}
