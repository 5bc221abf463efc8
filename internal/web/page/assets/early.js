// Runs before anything is drawn, so that a page forced to dark never flashes white.
(() => {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the theme is the system's.
  }
})();
