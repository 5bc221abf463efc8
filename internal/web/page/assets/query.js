// As much of the query language as it takes to complete and to change a query. The
// node alone says what is right; docs/QUERY.md has the whole of it.

/** fields that can be searched and counted, with what they hold. */
export const fields = {
  host: "the host that sent it", app: "the program", procid: "its process id", msgid: "its kind of message",
  facility: "auth, cron, local0…", severity: "emerg to debug; also <= and >=", source: "the peer's address or network",
  message: "the text", id: "the event's id", input: "where it came in", identity: "the peer's certificate",
  path: "the file it was read from", format: "rfc5424, rfc3164, unparsed", tags: "what is odd about it",
  "@timestamp": "a time; also <= and >=",
};

/** stages that can stand behind a |. */
export const stages = {
  count: "count [by FIELD, …]", top: "top [N] FIELD", histogram: "histogram [SPAN] [by FIELD]", rate: "rate [SPAN] [by FIELD]",
  facets: "facets [N] FIELD, …", first: "first [N]", last: "last [N]", sort: "sort COLUMN [desc]", fields: "fields COLUMN, …",
};

const fieldStart = /^([A-Za-z@][\w@.\-/#$%+]*)(<=|>=|:|<|>)/;

/** tokens splits a query: words, phrases, regular expressions, fields, ( ) and |. */
function tokens(text) {
  const list = [];
  let i = 0;
  let value = false; // one is to come, behind a field
  const ends = (at) => at >= text.length || /[\s()"|]/.test(text[at]);
  while (i < text.length) {
    if (/\s/.test(text[i])) {
      i++;
      continue;
    }
    const from = i;
    let kind = "word";
    let match = null;
    if ("()|".includes(text[i])) {
      kind = text[i++];
    } else if (text[i] === '"') {
      kind = "phrase";
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
      i = Math.min(i + 1, text.length);
    } else if ((match = /^\/(?:\\.|[^/\\])+\/i?/.exec(text.slice(i))) && ends(i + match[0].length)) {
      kind = "regexp";
      i += match[0].length;
    } else if (!value && text[i] === "-" && !ends(i + 1)) {
      kind = "-";
      i++;
    } else if (!value && (match = fieldStart.exec(text.slice(i)))) {
      kind = "field";
      i += match[0].length;
    } else {
      while (!ends(i)) i++;
    }
    list.push({ kind, from, to: i, name: kind === "field" ? match[1] : "", op: kind === "field" ? match[2] : "" });
    value = kind === "field";
  }
  return list;
}

/** split parts the terms of a query from its stages; those are "" where there are none. */
export function split(text) {
  const pipe = tokens(text).find((t) => t.kind === "|");
  return pipe ? { terms: text.slice(0, pipe.from).trim(), stages: text.slice(pipe.from) } : { terms: text.trim(), stages: "" };
}

/** value writes a value as a query has it. */
export function value(text) {
  return /^[\w.@-]+$/.test(text) && !/^(and|or|not)$/i.test(text) && !text.startsWith("-") ? text : `"${text.replace(/[\\"]/g, "\\$&")}"`;
}

/** term writes the term for a value of a field, none for an empty one. */
export function term(field, text) {
  return text === "" ? `-${field}:*` : `${field}:${value(text)}`;
}

const negated = (t) => (t.startsWith("-") ? t.slice(1) : "-" + t);

/** places returns where a term stands in a query. */
function places(text, wanted) {
  const list = tokens(text);
  const found = [];
  let depth = 0;
  list.forEach((t, i) => {
    if (t.kind === "(") depth++;
    if (t.kind === ")") depth--;
    if (t.kind !== "field" || depth > 0 || i + 1 >= list.length) return;
    const minus = i > 0 && list[i - 1].kind === "-" && list[i - 1].to === t.from;
    const from = minus ? list[i - 1].from : t.from;
    const to = list[i + 1].to;
    if (text.slice(from, to) === wanted) found.push({ from, to });
  });
  return found;
}

/** has tells whether a term stands in the query. */
export const has = (text, wanted) => places(split(text).terms, wanted).length > 0;

const without = (text, place) => (text.slice(0, place.from).trimEnd() + " " + text.slice(place.to).trimStart()).trim();

/** drop takes a term out of a query. */
export function drop(text, wanted) {
  const { terms, stages: rest } = split(text);
  const [place] = places(terms, wanted);
  return place ? [without(terms, place), rest].filter(Boolean).join(" ") : text;
}

/**
 * refine adds a term to a query, or takes it out where it stands there already. Its
 * opposite gives way.
 */
export function refine(text, field, content, exclude = false) {
  let wanted = term(field, content);
  if (exclude) wanted = negated(wanted);
  if (has(text, wanted)) return drop(text, wanted);
  let { terms, stages: rest } = split(drop(text, negated(wanted)));
  let depth = 0;
  const list = tokens(terms);
  const loose = list.some((t) => {
    if (t.kind === "(") depth++;
    if (t.kind === ")") depth--;
    return depth === 0 && t.kind === "word" && terms.slice(t.from, t.to).toLowerCase() === "or";
  });
  if (loose) terms = `(${terms})`;
  return [terms, wanted, rest].filter(Boolean).join(" ");
}

/**
 * context says what can be completed at the caret: {kind, typed, from, to}, kind being
 * "field", "value" (of the member field), "stage" or "column"; null for nothing.
 */
export function context(text, caret) {
  const head = text.slice(0, caret);
  const list = tokens(head);
  const last = list.at(-1);
  const open = last && last.to === head.length && !/\s$/.test(head) ? last : null;
  const pipe = list.findLastIndex((t) => t.kind === "|");
  if (pipe >= 0) {
    const behind = list.slice(pipe + 1);
    const typed = open && open.kind !== "|" ? head.slice(open.from) : "";
    const from = head.length - typed.length;
    if (behind.length === 0 || (behind.length === 1 && typed)) return { kind: "stage", typed, from, to: caret };
    const name = typed.slice(typed.lastIndexOf(",") + 1);
    const stage = head.slice(behind[0].from, behind[0].to).toLowerCase();
    const counts = ["count", "histogram", "rate"].includes(stage);
    if (counts && !behind.slice(1).some((t) => head.slice(t.from, t.to).toLowerCase() === "by" && t.to < head.length)) return null;
    if (["first", "last"].includes(stage)) return null;
    return { kind: "column", typed: name, from: head.length - name.length, to: caret };
  }
  const before = list[list.length - 2];
  if (open?.kind === "field") {
    return open.op === ":" || open.name === "severity" ? { kind: "value", field: open.name, typed: "", from: caret, to: caret } : null;
  }
  if (open && before?.kind === "field" && before.to === open.from) {
    if (before.op !== ":" && before.name !== "severity") return null;
    if (open.kind !== "word" && open.kind !== "phrase") return null;
    return { kind: "value", field: before.name, typed: head.slice(open.from).replace(/^"|"$/g, ""), from: open.from, to: caret };
  }
  if (open && open.kind === "word") return { kind: "field", typed: head.slice(open.from), from: open.from, to: caret };
  if (!open || open.kind === "(" || open.kind === "-") return { kind: "field", typed: "", from: caret, to: caret };
  return null;
}
