import { get, signOut } from "./api.js";
import { Completion } from "./complete.js";
import { by, el, typing } from "./dom.js";
import { detail } from "./event.js";
import { Facets } from "./facets.js";
import { help } from "./help.js";
import { Histogram } from "./histogram.js";
import { refine, term } from "./query.js";
import { Range } from "./range.js";
import { Results } from "./results.js";
import { Search } from "./search.js";
import { go, onChange, read } from "./state.js";
import { Status } from "./status.js";
import { Table } from "./table.js";
import { Tail } from "./tail.js";
import { theme } from "./theme.js";
import { switchZone, zone } from "./time.js";

// Puts the parts together. The address is what is shown; every action changes it, and
// each change is shown.

const input = by("query");
const setQuery = (q) => go({ q });

const table = new Table(by("list"), {
  detail: (row) => detail(row, {
    refine: (field, value, exclude) => setQuery(refine(read().q, field, value, exclude)),
    around: (host, time) => go({ view: "search", q: host ? term("host", host) : "", since: new Date(time - 60e3).toISOString(), until: new Date(+time + 60e3).toISOString() }),
  }),
  nearEnd: () => read().view === "search" && search.more(),
  scrolled: () => tail.scrolled(),
});
const histogram = new Histogram(by("plot"), (from, to) => go({ since: new Date(from).toISOString(), until: new Date(to).toISOString() }));
const results = new Results(by("rows"), setQuery);
const facets = new Facets(by("facets"), setQuery);
const range = new Range((r) => go({ ...r, view: "search" }));
const completion = new Completion(input, by("completions"), () => ({ since: read().since, until: read().until }));
const status = new Status();
const parts = { table, results, histogram, facets, say, fail, clearFailure };
const search = new Search(parts);
const tail = new Tail(parts);

/** say writes the bar above the list. */
function say({ text, took = "", busy = false, live = false, empty = false }) {
  const count = by("count");
  if (text !== undefined && count.textContent !== text + took) {
    count.replaceChildren(text, took ? el("span", { class: "took" }, took) : "");
  }
  count.classList.toggle("busy", busy);
  count.classList.toggle("live", live);
  by("list").classList.toggle("nothing", empty);
}

/** fail shows what went wrong: under the query where it is the query's fault. */
function fail(error) {
  if (error.column) {
    const characters = [...input.value];
    const at = error.column - 1;
    const line = document.createElement("span");
    line.className = "pointer";
    const mark = document.createElement("mark");
    mark.textContent = characters[at] ?? "⏎";
    line.append(characters.slice(Math.max(0, at - 60), at).join(""), mark, characters.slice(at + 1, at + 60).join(""));
    by("query-error").replaceChildren(line, document.createTextNode(`Column ${error.column}: ${error.message}`));
    by("query-error").hidden = false;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "query-error");
    say({ text: "The query is not understood" });
    if (document.activeElement === input) {
      const offset = characters.slice(0, at).join("").length;
      input.setSelectionRange(offset, offset);
    }
    return;
  }
  const notice = by("notice");
  notice.textContent = error.incomplete && error.status ? `Not all was searched: ${error.message}` : error.message;
  notice.classList.toggle("bad", !error.incomplete);
  notice.hidden = false;
}

function clearFailure() {
  by("notice").hidden = true;
  by("query-error").hidden = true;
  input.removeAttribute("aria-invalid");
  input.removeAttribute("aria-describedby");
}

/** show shows a state. */
function show(state) {
  clearFailure();
  search.stop();
  by("nothing").hidden = true;
  tail.stop();
  status.stop();
  document.body.dataset.view = state.view;
  document.title = `${state.q || { search: "Search", tail: "Live", status: "Status" }[state.view]} – Syslane`;
  input.value = state.q;
  range.set(state);
  by("events-view").hidden = state.view === "status";
  by("query-form").hidden = state.view === "status";
  by("status-view").hidden = state.view !== "status";
  by("order").hidden = state.view !== "search";
  by("order").textContent = state.order === "oldest" ? "Oldest first" : "Newest first";
  for (const a of document.querySelectorAll(".views a")) {
    if (a.dataset.view === state.view) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  if (state.view === "search") search.run(state);
  else if (state.view === "tail") tail.run(state);
  else status.run();
}

by("query-form").addEventListener("submit", (event) => {
  event.preventDefault();
  completion.close();
  go({ q: input.value.trim() });
});
for (const a of document.querySelectorAll(".views a")) {
  a.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go({ view: a.dataset.view });
  });
}
by("order").addEventListener("click", () => go({ order: read().order === "oldest" ? "newest" : "oldest" }));
by("zoom-out").addEventListener("click", () => move(range.zoomOut()));
by("earlier").addEventListener("click", () => move(range.shift(-1)));
by("later").addEventListener("click", () => move(range.shift(1)));
by("help-button").addEventListener("click", help);
by("signout").addEventListener("click", signOut);
by("facets-button").addEventListener("click", (event) => {
  const on = by("facets").classList.toggle("open");
  event.currentTarget.setAttribute("aria-expanded", String(on));
});
by("zone").addEventListener("click", () => {
  switchZone();
  redraw();
});

function move(to) {
  if (to) go(to);
}

function redraw() {
  by("zone").textContent = zone();
  by("zone").setAttribute("aria-label", `Times: ${zone()}`);
  range.set(read());
  table.redraw();
  histogram.show();
  results.redraw();
}

const keys = {
  "/": () => input.focus(),
  j: () => table.move(1),
  k: () => table.move(-1),
  ArrowDown: () => table.move(1),
  ArrowUp: () => table.move(-1),
  Enter: () => table.toggle(),
  g: () => table.choose(0),
  G: () => table.choose(table.rows.length - 1),
  z: () => move(range.zoomOut()),
  "[": () => move(range.shift(-1)),
  "]": () => move(range.shift(1)),
  r: () => show(read()),
  l: () => go({ view: read().view === "tail" ? "search" : "tail" }),
  s: () => go({ view: read().view === "status" ? "search" : "status" }),
  " ": () => tail.running && tail.pause(),
  Escape: () => table.closeAll(),
  "?": help,
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (typing(event)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const inControl = event.target.closest("button, a, summary, pre");
  if (inControl && ["Enter", " ", "ArrowDown", "ArrowUp"].includes(event.key)) return;
  const action = keys[event.key];
  if (!action || (event.key === " " && !tail.running)) return;
  event.preventDefault();
  action();
});

theme(redraw);
onChange(show);

// A relay has no search: there the page is its status.
const part = await get("status").catch(() => null);
if (part?.role === "relay") {
  by("view-search").hidden = by("view-tail").hidden = true;
  show({ ...read(), view: "status" });
} else {
  show(read());
}
setInterval(() => document.visibilityState === "visible" && status.peek(), 30e3);
status.peek();
