import { stream } from "./api.js";
import { copy, el } from "./dom.js";
import { after } from "./search.js";
import { counted, harmless, plain, visible } from "./text.js";
import { stamp } from "./time.js";

// The details of one event: its message as it came, and every field with what one
// can do about it.

/** queryNames are the fields of documents that a query knows by shorter names. */
const queryNames = {
  "host.name": "host", "log.syslog.appname": "app", "log.syslog.procid": "procid", "log.syslog.msgid": "msgid",
  "log.syslog.facility.name": "facility", "log.level": "severity", "source.ip": "source", "event.id": "id",
  "labels.input": "input", "labels.format": "format", "tls.client.subject": "identity", "log.file.path": "path", tags: "tags",
};

/** repeated are fields that only say again what another does. */
const repeated = new Set(["message", "host.hostname", "log.syslog.hostname", "log.syslog.severity.name", "log.syslog.severity.code",
  "log.syslog.facility.code", "process.name", "process.pid", "source.address", "ecs.version", "syslane.original", "event.original"]);

const data = "log.syslog.structured_data.";

/** flatten yields the leaves of a document: [path, value]. */
function* flatten(object, path = []) {
  for (const [name, value] of Object.entries(object)) {
    const here = [...path, name];
    if (Array.isArray(value)) for (const v of value) yield [here, String(v)];
    else if (value !== null && typeof value === "object") yield* flatten(value, here);
    else yield [here, String(value)];
  }
}

/** queryName returns the name of a field in queries, "" where it has none. */
function queryName(path) {
  const name = path.join(".");
  if (path.length === 5 && name.startsWith(data)) {
    const sd = `sd.${path[3]}.${path[4]}`;
    return /^[\w@.\-/#$%+]+$/.test(sd) ? sd : "";
  }
  return queryNames[name] ?? "";
}

/** raw returns the octets of a message that is no UTF-8, escaped; "" where it is. */
function raw(document) {
  const text = document.syslane?.original;
  if (typeof text !== "string") return "";
  return [...atob(text)].map((c) => (c >= " " && c <= "~" ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`)).join("");
}

/** find returns the whole document of a row. */
async function find(row) {
  if (row.document) return row.document;
  for await (const batch of stream("search", { q: `id:${row.id}`, since: row.time, until: after(row.time), limit: 1 })) {
    for (const found of batch) if (found.event) return (row.document = found);
  }
  return null;
}

/**
 * detail makes the details of a row. refine(field, value, exclude) changes the query,
 * around(host, time) shows what else happened there.
 */
export function detail(row, { refine, around }) {
  const box = el("div", { class: "event" }, el("pre", { class: "raw", tabIndex: 0, "aria-label": "Message" }, visible(row.message, { lines: true })));
  const fields = el("div", { class: "fields" }, el("p", { class: "dim" }, "Loading the fields…"));
  box.append(fields);
  find(row).then(
    (document) => {
      if (document) fields.replaceChildren(...describe(document, refine, around));
      else fields.replaceChildren(el("p", { class: "dim" }, "The log no longer holds this event: its age or size has passed the limits of [log]."));
    },
    (error) => fields.replaceChildren(el("p", { class: "bad" }, error.message)));
  return box;
}

function describe(document, refine, around) {
  const rows = [];
  const time = new Date(document["@timestamp"]);
  for (const [path, value] of flatten(document)) {
    const full = path.join(".");
    if (repeated.has(full)) continue;
    const name = queryName(path);
    const label = name || full;
    const tools = el("td", { class: "tools" });
    if (name && value.length < 1000) {
      tools.append(
        el("button", { type: "button", class: "tiny", title: "Only these", "aria-label": `Only ${label} ${plain(value, 60)}`, onclick: () => refine(name, value, false) }, "+"),
        el("button", { type: "button", class: "tiny", title: "Without these", "aria-label": `Without ${label} ${plain(value, 60)}`, onclick: () => refine(name, value, true) }, "−"));
    }
    const content = name && value.length < 1000
      ? el("button", { type: "button", class: "value", title: "Only these (Alt: without these)", onclick: (event) => refine(name, value, event.altKey) }, visible(value))
      : el("span", { class: "value" }, visible(value, { max: 4000 }), full === "@timestamp" ? el("span", { class: "dim" }, `  ${stamp(time, true)} here`) : null);
    rows.push(el("tr", {}, tools, el("th", { scope: "row", title: plain(full) }, visible(label)), el("td", {}, content)));
  }
  const octets = raw(document);
  const actions = el("p", { class: "actions" },
    copier("Copy message", () => harmless(document.message)),
    copier("Copy as JSON", () => harmless(JSON.stringify(document, null, 2))),
    el("button", { type: "button", onclick: () => around(document.host?.name ?? "", time), title: "All of this host from a minute before to a minute after" }, "Around it"),
    el("span", { class: "dim" }, counted(document.message.length, "character")));
  return [actions, octets ? el("div", {}, el("p", { class: "dim" }, "As it was received; these octets are no UTF-8:"), el("pre", { class: "raw", tabIndex: 0 }, visible(octets))) : null,
    el("table", {}, el("tbody", {}, ...rows))].filter(Boolean);
}

function copier(label, text) {
  const button = el("button", { type: "button" }, label);
  button.addEventListener("click", () =>
    copy(text()).then(
      () => (button.textContent = "Copied"),
      () => (button.textContent = "The browser forbids it")).finally(() => setTimeout(() => (button.textContent = label), 1500)));
  return button;
}
