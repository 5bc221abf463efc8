import { by, recall, remember } from "./dom.js";

// Dark and light: as the system says, or as the button does.

const order = ["auto", "light", "dark"];

/** theme wires the button; changed is told when colours are others. */
export function theme(changed) {
  const button = by("theme");
  let now = recall("theme") ?? "auto";
  const apply = () => {
    if (now === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    button.textContent = now;
    button.setAttribute("aria-label", `Colours: ${now}`);
    changed();
  };
  button.addEventListener("click", () => {
    now = order[(order.indexOf(now) + 1) % order.length];
    remember("theme", now);
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  apply();
}
