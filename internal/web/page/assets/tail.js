import { aborted, stream } from "./api.js";
import { by } from "./dom.js";
import { split } from "./query.js";
import { columns, row } from "./table.js";
import { amount, counted } from "./text.js";

// The log as it grows, the newest at the end. While it is paused, or one has scrolled
// up to read, what comes is counted and waits.

const past = 200; // events that it starts with
const kept = 20_000; // rows that are kept; the oldest go
const waitingMost = 50_000; // that wait; beyond it the oldest are passed over, and counted

export class Tail {
  constructor({ table, say, fail, clearFailure }) {
    Object.assign(this, { table, say, fail, clearFailure, paused: false, waiting: [], left: 0, received: 0, end: 0 });
    by("pause").addEventListener("click", () => this.pause());
    by("waiting").addEventListener("click", () => this.resume());
    by("clear-tail").addEventListener("click", () => {
      this.table.clear();
      this.tell();
    });
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    by("tail-tools").hidden = true;
  }

  get running() {
    return this.abort !== null && this.abort !== undefined;
  }

  /** run follows from now on, until stop, across lost connections. */
  async run(state) {
    this.stop();
    this.abort = new AbortController();
    const { signal } = this.abort;
    Object.assign(this, { waiting: [], left: 0, received: 0, end: 0 });
    this.table.clear();
    this.table.total = null;
    by("tail-tools").hidden = false;
    by("rows").hidden = true;
    by("list").hidden = false;
    this.setPaused(false);
    this.say({ text: "Connecting…", busy: true });
    let cursor = "";
    for (let wait = 500; !signal.aborted; ) {
      try {
        const q = split(state.q).stages ? state.q : `${state.q} | fields ${columns}`;
        for await (const batch of stream("tail", cursor ? { q, cursor } : { q, last: past }, signal)) {
          wait = 500;
          this.clearFailure();
          const rows = [];
          for (const item of batch) {
            cursor = item.cursor;
            if (item.lost) this.fail({ message: `${counted(item.lost, "message")} could not be shown: they were deleted before they were read, or are damaged.`, incomplete: true });
            if (item.event) rows.push(row({ severity: "", host: "", app: "", procid: "", message: "", id: "", ...item.event }));
          }
          this.take(rows);
        }
        if (signal.aborted) return;
      } catch (error) {
        if (aborted(error) || signal.aborted) return;
        if (error.status === 400) {
          // A cursor of a log that was made anew is none any more; a query stays wrong.
          if (!cursor) {
            this.fail(error);
            this.say({ text: "" });
            return;
          }
          cursor = "";
        }
        this.fail({ ...error, message: `${error.message} Trying again in ${Math.round(wait / 100) / 10} s; nothing is missed.` });
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(10_000, wait * 2);
    }
  }

  take(rows) {
    this.received += rows.length;
    if (this.paused) {
      for (const r of rows) this.waiting.push(r);
      if (this.waiting.length > waitingMost) {
        this.left += this.waiting.length - waitingMost;
        this.waiting.splice(0, this.waiting.length - waitingMost);
      }
    } else if (rows.length > 0) {
      this.add(rows);
    }
    this.tell();
  }

  add(rows) {
    this.table.append(rows);
    if (this.table.rows.length > kept) this.table.trim(this.table.rows.length - kept);
    this.table.toEnd();
    this.end = this.table.offset;
  }

  /**
   * scrolled pauses where one scrolls up to read, and goes on at the end. That it was
   * the reader is seen by where the list stands, not by when it moved: a reader's
   * movement and the tail's own are told by one and the same event where they fall
   * between two frames, as they do all the time while much comes.
   */
  scrolled() {
    if (!this.running) return;
    if (this.table.atEnd) {
      if (this.paused && this.byScrolling) this.resume();
    } else if (!this.paused && Math.abs(this.table.offset - this.end) > 1) this.setPaused(true, true);
  }

  pause() {
    if (this.paused) this.resume();
    else this.setPaused(true);
    this.tell();
  }

  setPaused(on, byScrolling = false) {
    this.paused = on;
    this.byScrolling = byScrolling;
    by("pause").setAttribute("aria-pressed", String(on));
    by("pause").textContent = on ? "Resume" : "Pause";
    this.tell();
  }

  resume() {
    const rows = this.waiting;
    this.waiting = [];
    this.setPaused(false);
    this.add(rows);
    this.left = 0;
    this.tell();
  }

  tell() {
    if (!this.running) return;
    const button = by("waiting");
    button.hidden = this.waiting.length === 0;
    button.textContent = `${counted(this.waiting.length, "new event")}`;
    const state = this.paused ? "Paused" : "Live";
    const skipped = this.left > 0 ? ` · ${amount(this.left)} passed over while paused` : "";
    this.say({ text: `${state} · ${counted(this.table.rows.length, "event")}${skipped}`, live: !this.paused });
  }
}
