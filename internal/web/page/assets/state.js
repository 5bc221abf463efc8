// What is shown stands in the address: so it can be kept, sent to a colleague, and
// gone back from.

const fallback = { view: "search", q: "", since: "1h", until: "", order: "newest" };

/** read returns what the address says. */
export function read() {
  const params = new URLSearchParams(location.search);
  const state = { ...fallback };
  for (const name of Object.keys(fallback)) {
    if (params.has(name)) state[name] = params.get(name);
  }
  if (!["search", "tail", "status"].includes(state.view)) state.view = "search";
  if (state.order !== "oldest") state.order = "newest";
  return state;
}

/** address returns where a state is to be found. */
export function address(state) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(fallback)) {
    if (state[name] !== value) params.set(name, state[name]);
  }
  const text = params.toString();
  return text ? `/?${text}` : "/";
}

let listener = () => {};

/** onChange is told of each new state. */
export function onChange(f) {
  listener = f;
  addEventListener("popstate", () => f(read()));
}

/** go changes the state, and leaves the old one behind the back button. */
export function go(patch) {
  const state = { ...read(), ...patch };
  const to = address(state);
  if (to !== location.pathname + location.search) history.pushState(null, "", to);
  listener(state);
}
