import { by, el } from "./dom.js";

// The keys, and the query language on one screen.

const keys = [
  ["/", "type a query"], ["j k", "next, previous event"], ["Enter", "show or hide its fields"], ["g G", "first, last event"],
  ["Esc", "close, leave"], ["[ ]", "earlier, later"], ["z", "zoom out"], ["r", "search again"],
  ["l", "live, and back to search"], ["Space", "pause, go on (live)"], ["s", "status"], ["?", "this"],
];

const language = [
  ["failed password", "both words, in any case, in message, host, app, …"], ['"connection reset"', "these characters"],
  ["conn*", "words that start so"], ["/port 47\\d+/", "a regular expression"], ["app:sshd", "a field; a star matches anything"],
  ["host:(web1 or db1)", "one of several"], ["severity<=err", "err and worse"], ["source:10.0.0.0/8", "a network"],
  ["-app:cron", "without"], ["… | top 10 app", "the most frequent"], ["… | count by host, app", "count"], ["… | histogram 5m by severity", "over time"],
];

const list = (pairs) => el("dl", {}, ...pairs.flatMap(([key, text]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)]));

/** help shows the dialog. */
export function help() {
  const dialog = by("help");
  if (!dialog.firstChild) {
    dialog.append(
      el("div", { class: "help-columns" },
        el("section", {}, el("h2", { id: "help-title" }, "Keys"), list(keys)),
        el("section", {}, el("h2", {}, "Queries"), list(language))),
      el("p", { class: "dim" }, "Drag over the histogram to zoom in. Click a value to keep it, Alt-click to leave it out. The address holds the query: send it to a colleague."),
      el("form", { method: "dialog" }, el("button", { type: "submit", class: "primary" }, "Close")));
  }
  dialog.showModal();
}
