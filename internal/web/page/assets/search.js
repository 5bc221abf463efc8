import { aborted, stream } from "./api.js";
import { by } from "./dom.js";
import { split } from "./query.js";
import { columns, row } from "./table.js";
import { amount, counted } from "./text.js";

// One search: the newest page of events at once, more as one scrolls, and beside
// them the histogram and the facets of all.

const firstPage = 1000;
const page = 10_000;
const again = 2000; // milliseconds between looks at an empty log

/** most is how many rows are loaded at the very most. */
export const most = 100_000;

export class Search {
  /** parts are the table, results, histogram, facets, and say(state) for the bar. */
  constructor({ table, results, histogram, facets, say, fail }) {
    Object.assign(this, { table, results, histogram, facets, say, fail });
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    clearTimeout(this.timer);
  }

  /** nothing says what to do where there is no event at all, and looks again by itself. */
  nothing(on) {
    by("nothing").hidden = !on;
    clearTimeout(this.timer);
    if (on) this.timer = setTimeout(() => (document.hidden ? this.nothing(true) : this.run(this.state, true)), again);
  }

  /** run begins anew; quietly, where it only looks whether there is something now. */
  async run(state, quietly = false) {
    this.stop();
    this.abort = new AbortController();
    const { signal } = this.abort;
    const now = Date.now();
    const started = performance.now();
    const { terms, stages } = split(state.q);
    const range = { since: state.since, until: state.until };
    Object.assign(this, { state, signal, range, quietly, size: firstPage, done: false, loading: false, total: null, took: null, seen: new Set() });
    if (!quietly) {
      by("nothing").hidden = true;
      this.say({ busy: true });
    }
    this.table.clear();
    this.table.total = null;
    const beside = this.beside(terms, range, now);
    if (stages) {
      await this.staged(started);
    } else {
      by("rows").hidden = true;
      by("list").hidden = false;
      this.edge = state.order === "oldest" ? range.since : range.until;
      await this.more();
      this.took = performance.now() - started;
      this.tell();
    }
    await beside;
  }

  /** beside loads the histogram and the facets. What is wrong with the query is told by the list. */
  async beside(terms, range, now) {
    const { signal } = this;
    const quiet = (error) => {
      if (aborted(error) || error.column) return;
      if (!signal.aborted) this.fail(error);
    };
    const counted = this.histogram.load(terms, range, now, signal).then(({ total, incomplete }) => {
      this.total = total;
      this.table.total = total;
      if (incomplete) this.fail({ message: `Counts are incomplete: ${incomplete}`, incomplete: true });
      this.tell();
    }, quiet);
    await Promise.all([counted, this.facets.load(this.state.q, range, signal).catch(quiet)]);
  }

  /**
   * more loads the next rows. The time of the last one bounds what is asked for, and
   * rows of that same time which are there already are passed over.
   */
  async more() {
    if (this.loading || this.done || !this.signal || this.signal.aborted) return;
    const { signal, state, table, seen } = this;
    this.loading = true;
    const oldest = state.order === "oldest";
    let got = 0;
    let fresh = 0;
    try {
      const params = { q: `${state.q} | fields ${columns}`, since: oldest ? this.edge : state.since, until: oldest ? state.until : this.edge, limit: this.size, order: state.order };
      for await (const batch of stream("search", params, signal)) {
        const rows = [];
        for (const found of batch) {
          got++;
          if (seen.has(found.id)) continue;
          seen.add(found.id);
          rows.push(row(found));
        }
        fresh += rows.length;
        if (table.rows.length === 0 && rows.length > 0) performance.mark("first-rows");
        table.append(rows.slice(0, most - table.rows.length));
        this.tell();
      }
      this.done = got < this.size || table.rows.length >= most;
      this.size = fresh === 0 ? this.size * 2 : page;
      const last = table.rows.at(-1);
      if (last) this.edge = oldest ? last.time : after(last.time);
    } catch (error) {
      if (aborted(error)) return;
      this.done = true;
      this.fail(error);
    } finally {
      if (signal === this.signal) this.loading = false;
    }
    this.tell();
    if (fresh === 0 && !this.done) await this.more();
  }

  /** staged shows what the stages of a query make of events. */
  async staged(started) {
    const { signal, state } = this;
    const events = [];
    const rows = [];
    const others = [];
    try {
      for await (const batch of stream("search", { q: state.q, since: state.since, until: state.until, limit: 5000, order: state.order }, signal)) {
        for (const found of batch) {
          if (found.others === true) others.push(found);
          else if (typeof found.event === "object" && found["@timestamp"]) events.push(row(found));
          else rows.push(found);
        }
      }
    } catch (error) {
      if (aborted(error)) return;
      this.fail(error);
    }
    this.done = true;
    const asRows = events.length === 0;
    by("rows").hidden = !asRows;
    by("list").hidden = asRows;
    if (asRows) this.results.show(rows, others, state);
    else this.table.append(events);
    this.say({ text: `${counted(asRows ? rows.length : events.length, asRows ? "row" : "event")} in ${duration(performance.now() - started)}` });
  }

  tell() {
    if (this.signal?.aborted || split(this.state.q).stages || (this.quietly && !this.done)) return;
    const loaded = this.table.rows.length;
    const total = this.total ?? loaded;
    const sure = this.total !== null || this.done;
    let text = loaded === 0 && sure && this.done ? "Nothing found" : `${amount(Math.max(total, loaded))}${sure ? "" : "+"} ${total === 1 ? "event" : "events"}`;
    const took = this.took === null || loaded === 0 ? "" : ` · first rows in ${duration(this.took)}`;
    if (loaded >= most && total > loaded) text += ` · only the first ${amount(most)} can be shown: narrow the time or the query`;
    const empty = loaded === 0 && this.done;
    this.say({ text, took, busy: !sure, empty: empty && (this.state.q || this.total > 0) });
    this.nothing(empty && !this.state.q && !this.state.until);
  }
}

/** after is the next nanosecond, for the end of a range is not part of it. */
export function after(time) {
  const [whole, fraction = ""] = time.replace(/Z$/, "").split(".");
  const nanos = BigInt(fraction.padEnd(9, "0")) + 1n;
  if (nanos < 1_000_000_000n) return `${whole}.${String(nanos).padStart(9, "0")}Z`;
  return new Date(Date.parse(`${whole}Z`) + 1000).toISOString();
}

export const duration = (millis) => (millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`);
