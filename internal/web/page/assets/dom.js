// Elements are made of tags, properties and texts, never of markup.

/** by returns the element with an id. */
export const by = (id) => document.getElementById(id);

/**
 * el makes an element. Properties that start with "on" are listeners, "class" and those
 * with a dash, "role" and "for" are attributes, all others members. Children are
 * nodes or texts; null is left out.
 */
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name === "class") e.className = value;
    else if (name.includes("-") || name === "role" || name === "for" || name === "scope") e.setAttribute(name, String(value));
    else e[name] = value;
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

/** typing tells whether a key is meant for a field that takes text. */
export function typing(event) {
  const t = event.target;
  return t instanceof HTMLInputElement || t instanceof HTMLSelectElement || t instanceof HTMLTextAreaElement;
}

/** remember and recall keep settings of this browser, where it lets us. */
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then it is forgotten with the page.
  }
}

export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** copy puts a text on the clipboard, also where the page came over plain HTTP. */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = el("textarea", { value: text, class: "offscreen" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
