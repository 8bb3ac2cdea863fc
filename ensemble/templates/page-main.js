// Puts the page together, and follows its address.
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function dress() {
  const dark = !printing && (state.theme ? state.theme === "dark" : prefersDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function show() {
  dress();
  showHead();
  showMovers();
  showTools();
  showTable();
  showEmerging();
  showRecord();
  showGuide();
  showStyle();
}

function goTo(part) {
  if (!PARTS.includes(part)) return;
  at(`h-${part}`).focus({ preventScroll: true });
  at(`h-${part}`).scrollIntoView();
  change({});
}

addEventListener("hashchange", () => {
  const before = state;
  parse();
  if (before.lang !== state.lang || before.theme !== state.theme) {
    show();
  } else {
    const table = ["sort", "q", "outlook", "posts", "page"].some((name) => before[name] !== state[name]);
    if (table) showTable();
    if (before.style !== state.style || table) showStyle();
  }
  goTo(state.part);
});
prefersDark.addEventListener("change", () => { if (!state.theme) show(); });
// Paper is white: drawings are made anew for it, and again for the screen.
addEventListener("beforeprint", () => { printing = true; show(); });
addEventListener("afterprint", () => { printing = false; show(); });
parse();
show();
goTo(state.part);
document.documentElement.dataset.ready = "yes";
