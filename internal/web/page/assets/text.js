// Texts of messages as they can be shown: whatever has no look of its own, or changes
// that of its neighbours, gets one. Terminal escapes, NUL, bidirectional controls,
// zero-width characters and tags stand there as badges, and do nothing.

const hidden =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0d\ufffd\u{e0100}-\u{e01ef}]/gu;

const names = {
  0xad: "soft hyphen", 0x200b: "zero-width space", 0x200c: "zero-width non-joiner", 0x200d: "zero-width joiner",
  0x200e: "left-to-right mark", 0x200f: "right-to-left mark", 0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding", 0x202c: "pop directional formatting", 0x202d: "left-to-right override",
  0x202e: "right-to-left override", 0x2066: "left-to-right isolate", 0x2067: "right-to-left isolate",
  0x2068: "first strong isolate", 0x2069: "pop directional isolate", 0x2028: "line separator",
  0x2029: "paragraph separator", 0xfeff: "byte order mark", 0xfffd: "octets that are no UTF-8",
  0x00: "NUL", 0x07: "bell", 0x08: "backspace", 0x09: "tab", 0x0a: "line feed", 0x0d: "carriage return", 0x1b: "escape",
};

function code(point) {
  return "U+" + point.toString(16).toUpperCase().padStart(4, "0");
}

// The names of control characters, for few fonts have pictures of them.
const controls = ("NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI " +
  "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US").split(" ");

/** sign returns what stands for a character: its name, or its code. */
function sign(point) {
  if (point < 0x20) return controls[point];
  if (point === 0x7f) return "DEL";
  if (point === 0xfffd) return "\ufffd";
  return code(point);
}

/** mostBadges is how many characters of a text become elements. */
const mostBadges = 1000;

/**
 * visible returns the first max characters of a text as a fragment. With lines,
 * line feeds and tabs are also done, behind their signs.
 */
export function visible(text, { max = Infinity, lines = false } = {}) {
  const fragment = document.createDocumentFragment();
  const cut = text.length > max ? whole(text, max) : text;
  let from = 0;
  let badges = 0;
  for (const match of cut.matchAll(hidden)) {
    const point = match[0].codePointAt(0);
    // A line of nothing else must not make an element of each: the rest is plain.
    if (++badges > mostBadges) {
      fragment.append(plain(cut.slice(from), Infinity));
      from = cut.length;
      break;
    }
    if (match.index > from) fragment.append(cut.slice(from, match.index));
    from = match.index + match[0].length;
    const badge = document.createElement("span");
    badge.className = "escaped";
    badge.textContent = sign(point);
    badge.title = names[point] ? `${code(point)} ${names[point]}` : code(point);
    fragment.append(badge);
    if (lines && (point === 0x0a || point === 0x09)) fragment.append(match[0]);
  }
  if (from < cut.length) fragment.append(cut.slice(from));
  if (cut.length < text.length) {
    const more = document.createElement("span");
    more.className = "cut";
    more.textContent = ` … ${amount(text.length - cut.length)} more characters`;
    fragment.append(more);
  }
  return fragment;
}

/** whole cuts a text, but no pair of surrogates. */
function whole(text, max) {
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max);
}

/** plain is visible as a string, for titles and names of elements. */
export function plain(text, max = 200) {
  const cut = text.length > max ? whole(text, max) + "…" : text;
  return cut.replace(hidden, (c) => {
    const point = c.codePointAt(0);
    return point === 0xfffd ? c : `<${sign(point)}>`;
  });
}

/**
 * harmless is a text for the clipboard: pasted into a terminal it does nothing but
 * stand there.
 */
export function harmless(text) {
  return text.replace(hidden, (c) => (c === "\n" || c === "\t" ? c : `\\u{${c.codePointAt(0).toString(16)}}`));
}

const numbers = new Intl.NumberFormat("en-US");

/** amount writes a number with its thousands apart. */
export const amount = (n) => numbers.format(n);

/** counted writes a number with its noun. */
export const counted = (n, one, many = one + "s") => `${amount(n)} ${n === 1 ? one : many}`;

/** octets writes a size. */
export function octets(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}
