import { amount, counted, plain } from "./text.js";
import { lasting, stamp } from "./time.js";

// What needs someone's attention, in plain words and the worst first: what it is, what
// it means for the messages, and what to do.

/** losses are counters of inputs that say that messages were not kept. */
const losses = {
  dropped_messages: (n) => `${counted(n, "message")} dropped by a rule or for want of room`,
  kernel_dropped_messages: (n) => `${counted(n, "datagram")} lost before they could be read: the socket's buffer was full`,
  limited_messages: (n) => `${counted(n, "message")} held back by a [[limit]]`,
  framing_errors: (n) => `${counted(n, "connection")} broke the framing of the protocol`,
  accept_failures: (n) => `${counted(n, "connection")} refused or failed in the handshake`,
  submit_failures: (n) => `${counted(n, "batch", "batches")} the log did not take`,
};

/** lossesOf returns the losses of an input: {counter, n, text}. */
export function lossesOf(input) {
  return Object.entries(losses).flatMap(([counter, text]) => (input.counts[counter] > 0 ? [{ counter, n: input.counts[counter], text: text(input.counts[counter]) }] : []));
}

/** attention returns what is wrong as {level: "bad" | "warn", what, so, then}. */
export function attention(status, rates, alerts) {
  const list = [];
  const bad = (what, so, then) => list.push({ level: "bad", what, so, then });
  const warn = (what, so, then) => list.push({ level: "warn", what, so, then });
  const { log } = status;
  if (log.disk_low) bad("The disk of the log is full.", "Inputs are held back until there is room; what is stored is not deleted for it.", "Make room on the disk, or have the log keep less: max_age and max_size in [log].");
  else if (log.failing) bad("The log cannot be written.", "Inputs are held back; senders that wait for an acknowledgement keep their messages, UDP loses them.", "See this node's journal for the disk's error, and df and dmesg for the disk.");
  else if (log.full) bad("The log is full.", "Inputs are held back until outputs take messages.", "Mend the outputs below, or raise max_size in [log].");
  for (const o of status.outputs) {
    const name = plain(o.name);
    const caught = rates.eta.get(o.name);
    if (!o.up) bad(`Output ${name} is down: ${plain(o.error ?? "", 300)}`, `${counted(o.retained_messages, "message")} wait in the log and are kept.`, "It is tried again all the time; mend the target, and they go out by themselves.");
    else if (o.retained_messages > 10_000 && rates.growing.has(o.name)) warn(`Output ${name} cannot keep up.`, `${counted(o.retained_messages, "message")} wait, and their number grows.`, "See whether the target is slow or too small.");
    else if (o.retained_messages > 10_000) warn(`Output ${name} is behind.`, `${counted(o.retained_messages, "message")} wait${caught ? `; at this rate it has caught up in ${lasting(caught)}` : ""}.`, "");
    if (o.dead_lettered_messages > 0) warn(`Output ${name} has refused ${counted(o.dead_lettered_messages, "message")} for good.`, "They are kept beside the log, with the reasons.", "syslane deadletter list");
    if (o.dropped_messages > 0) warn(`Output ${name} dropped ${counted(o.dropped_messages, "message")}.`, "They are not delivered there.", "");
    if (o.damaged_messages > 0) bad(`${counted(o.damaged_messages, "message")} for output ${name} could not be read from the log.`, "They are not delivered there.", "syslane spool verify");
  }
  for (const u of status.unclaimed ?? []) {
    (log.full ? bad : warn)(`The log keeps ${counted(u.retained_messages, "message")} for output ${plain(u.name)}, which is not in the configuration.`, "It keeps all that comes as well, until it is full.", "Name an output so again, or stop the service and run, as its user: syslane spool drop-cursor OUTPUT --dir STATE");
  }
  if (log.damaged_messages > 0) warn(`${counted(log.damaged_messages, "message")} of the log are damaged.`, "All others are whole; the disk may be failing.", "syslane spool verify");
  for (const i of status.inputs) {
    for (const loss of lossesOf(i)) {
      const now = rates.losing.has(`${i.name} ${loss.counter}`);
      if (now || loss.counter !== "framing_errors") warn(`Input ${plain(i.name)}: ${loss.text}.`, now ? "It is happening now." : "Not at the moment; counted since the start of this process.", "");
    }
  }
  for (const a of alerts?.alerts ?? []) {
    if (a.state === "firing") bad(`Alert ${plain(a.name)} is firing: ${plain(a.condition)} within ${a.window}.`, `${a.by?.length ? `${amount(a.firing_groups)} of ${counted(a.watched_groups, "group")}: ` : ""}${firing(a)}`, "");
  }
  for (const c of alerts?.channels ?? []) {
    if (c.error) bad(`Alerts cannot be told by ${plain(c.name)}: ${plain(c.error, 300)}`, `${counted(c.pending, "notice")} wait.`, "");
  }
  return list.sort((a, b) => (a.level === b.level ? 0 : a.level === "bad" ? -1 : 1));
}

/** firing names the groups of an alert that fire. */
function firing(alert) {
  return alert.groups.filter((g) => g.state === "firing").slice(0, 5).map((g) => {
    const labels = Object.entries(g.labels ?? {}).map(([k, v]) => `${k} ${plain(v, 60)}`).join(", ");
    return `${labels || "all"}, ${amount(g.value)}${g.since ? ` since ${stamp(new Date(g.since))}` : ""}`;
  }).join("; ");
}
