import { by } from "./dom.js";

// The node's HTTP API: tokens, retries, and streams of lines.

const base = "/api/v1/";

/** APIError tells why there is no answer, or no whole one. */
export class APIError extends Error {
  /** status is 0 where the connection was lost. column counts characters from 1. */
  constructor(message, { status = 0, column = 0, incomplete = false } = {}) {
    super(message);
    Object.assign(this, { status, column, incomplete });
  }
}

const lost = () => new APIError("The connection to Syslane is lost. Is it running, and can this machine reach it?");

/** aborted tells whether an error only says that nobody wants the answer any more. */
export const aborted = (error) => error?.name === "AbortError";

function token() {
  try {
    return sessionStorage.getItem("token");
  } catch {
    return null;
  }
}

/** signOut forgets the token. */
export function signOut() {
  sessionStorage.removeItem("token");
  location.reload();
}

let asking = null;

/** askToken shows the prompt, once for all requests that wait for it. */
function askToken() {
  asking ??= new Promise((resolve) => {
    const dialog = by("login");
    const field = by("token");
    const error = by("login-error");
    error.hidden = !token();
    error.textContent = token() ? "That token was refused." : "";
    field.value = "";
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    by("login-form").onsubmit = () => {
      sessionStorage.setItem("token", field.value.trim());
      asking = null;
      resolve();
    };
    if (!dialog.open) dialog.showModal();
    field.focus();
  });
  return asking;
}

const pause = (millis, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, millis);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    });
  });

/** ask sends a request, with the token, and again where the node is busy. */
async function ask(part, params, signal) {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== undefined && v !== null && v !== ""));
  for (let tries = 0; ; ) {
    const sent = token();
    const headers = sent ? { Authorization: `Bearer ${sent}` } : {};
    let response;
    try {
      response = await fetch(`${base}${part}?${query}`, { headers, signal, cache: "no-store", credentials: "omit" });
    } catch (error) {
      throw aborted(error) ? error : lost();
    }
    if (response.ok) {
      by("signout").hidden = !sent;
      return response;
    }
    if (response.status === 401) {
      if (sent === token()) await askToken();
      continue;
    }
    if (response.status === 429 && ++tries < 8) {
      await pause(1000 * Number(response.headers.get("Retry-After") ?? 1) * (0.5 + Math.random()), signal);
      continue;
    }
    const body = await response.json().catch(() => ({}));
    throw new APIError(body.error?.message ?? `Syslane answered ${response.status}.`, { status: response.status, ...body.error });
  }
}

/** get returns the answer of a part of the API. */
export async function get(part, params = {}, signal = undefined) {
  const response = await ask(part, params, signal);
  try {
    return await response.json();
  } catch (error) {
    throw aborted(error) ? error : lost();
  }
}

/**
 * stream yields the lines of an answer in lists, as they come. An error that is a
 * line, or a connection that breaks, ends it with an APIError.
 */
export async function* stream(part, params, signal) {
  const response = await ask(part, params, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      const batch = [];
      for (const line of lines) {
        const object = JSON.parse(line);
        if (object.error?.message !== undefined && !("@timestamp" in object)) {
          if (batch.length) yield batch;
          throw new APIError(object.error.message, { status: response.status, ...object.error });
        }
        batch.push(object);
      }
      if (batch.length) yield batch;
    }
  } catch (error) {
    throw aborted(error) || error instanceof APIError ? error : lost();
  } finally {
    reader.cancel().catch(() => {});
  }
}
