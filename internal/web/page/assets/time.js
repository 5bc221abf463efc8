import { recall, remember } from "./dom.js";

// Times as they are shown and typed: in local time, or in UTC.

let utc = recall("zone") === "utc";

/** zone returns "UTC" or "local". */
export const zone = () => (utc ? "UTC" : "local");

/** switchZone changes between local time and UTC. */
export function switchZone() {
  utc = !utc;
  remember("zone", utc ? "utc" : "local");
}

const two = (n) => String(n).padStart(2, "0");

function parts(date) {
  return utc
    ? [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds(), date.getUTCMilliseconds()]
    : [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds()];
}

/** day returns "2006-01-02", clock "15:04:05", stamp both. */
export function day(date) {
  const [y, m, d] = parts(date);
  return `${y}-${two(m)}-${two(d)}`;
}

export function clock(date, millis = false) {
  const [, , , h, m, s, ms] = parts(date);
  return `${two(h)}:${two(m)}:${two(s)}` + (millis ? "." + String(ms).padStart(3, "0") : "");
}

export const stamp = (date, millis = false) => `${day(date)} ${clock(date, millis)}`;

/** short is a stamp without the year, and without the seconds where there are none. */
export function short(date) {
  const text = stamp(date).slice(5);
  return text.endsWith(":00") ? text.slice(0, -3) : text;
}

/** typed reads "2006-01-02T15:04:05" of an input, null where there is none. */
export function typed(text) {
  if (!text) return null;
  const date = new Date(utc ? text + (text.length === 16 ? ":00Z" : "Z") : text);
  return Number.isNaN(date.getTime()) ? null : date;
}

const units = { ms: 1, s: 1000, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 };

/** span reads "15m" as milliseconds, null where it is none. */
export function span(text) {
  const match = /^(\d+)(ms|s|m|h|d|w)$/.exec(text ?? "");
  return match ? Number(match[1]) * units[match[2]] : null;
}

/** spanText writes milliseconds as span reads them, in the largest unit that divides them. */
export function spanText(millis) {
  const unit = ["d", "h", "m", "s"].find((u) => millis % units[u] === 0) ?? "ms";
  return `${Math.round(millis / units[unit])}${unit}`;
}

/** lasting says how long something takes. */
export function lasting(millis) {
  const s = Math.round(millis / 1000);
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

const presets = { "5m": "Last 5 minutes", "15m": "Last 15 minutes", "1h": "Last hour", "6h": "Last 6 hours", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days" };

/** ranges are those that one click chooses. "" is all. */
export const ranges = [...Object.entries(presets), ["", "All time"]];

/**
 * bounds returns a range as milliseconds since 1970, now being the end of one that
 * has none. from is null where it reaches back to the beginning.
 */
export function bounds({ since, until }, now) {
  const at = (text) => {
    if (!text) return null;
    const back = span(text);
    if (back !== null) return now - back;
    const t = Date.parse(text);
    return Number.isNaN(t) ? null : t;
  };
  return { from: at(since), to: at(until) ?? now };
}

/** describe names a range. */
export function describe({ since, until }) {
  if (!since && !until) return "All time";
  if (!until && presets[since]) return presets[since];
  if (!until && span(since) !== null) return `Last ${since}`;
  const { from, to } = bounds({ since, until }, Date.now());
  const a = from === null ? "start" : short(new Date(from));
  if (!until) return `From ${a}`;
  const b = new Date(to);
  const same = from !== null && day(new Date(from)) === day(b);
  return `${a} – ${same ? short(b).slice(6) : short(b)}`;
}
