// The table of all styles: a page of rows at a time, since ten thousand rows in the document would stall a browser.
const SIZE = 50;
const collator = new Intl.Collator("zh");
const sortable = ["rank", "name", ...new Set([...data.shown, ...data.per_post])]
  .concat(["rank_share", "rank_rising", "rank_change"].filter((name) => name in board));
// Ranks and names begin with the first, numbers with the largest.
const upward = (name) => name === "name" || (name.startsWith("rank") && name !== "rank_change");
let haystack = null;
let order = [];

function sorting() {
  const name = state.sort.replace(/^-/, "");
  return sortable.includes(name) ? { name, direction: state.sort.startsWith("-") ? -1 : 1 } : { name: "rank", direction: 1 };
}

// Missing values stay at the end in both directions; ties keep the rank, which is the order of the data.
function arrange() {
  const { name, direction } = sorting();
  const asked = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const least = Number(state.posts) || 0;
  haystack ??= board.name.map((text, place) => `${text} ${board.keywords[place]} ${board.style[place]}`.toLowerCase());
  const found = [];
  for (let place = 0; place < many; place += 1) {
    if (least && !(board.posts_28d[place] >= least)) continue;
    if (state.outlook && outlookOf(place)?.name !== state.outlook) continue;
    if (asked.every((word) => haystack[place].includes(word))) found.push(place);
  }
  const values = board[name];
  const compare = name === "name" ? (a, b) => collator.compare(values[a], values[b]) : (a, b) => values[a] - values[b];
  order = found.sort((a, b) => {
    if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
    return direction * compare(a, b) || a - b;
  });
}

function sortBy(name) {
  const now = sorting();
  const first = upward(name) ? 1 : -1;
  const direction = now.name === name ? -now.direction : first;
  change({ sort: direction > 0 ? name : `-${name}`, page: "1" });
  showTable();
}

const headed = (name) => (name === "rank" || name === "style" || name === "spark" ? say(name) : columnName(name));
function head() {
  const cells = [["rank", "rank"], ["name", "style"], [null, "spark"], ...data.shown.map((name) => [name, name])];
  return h("thead", {}, h("tr", {}, cells.map(([sort, name]) => h("th", {
    scope: "col", class: `c-${name}${name === "style" || name === "spark" ? "" : " num"}`, "data-sort": sort,
    title: name === "style" ? "" : columnHelp(name),
  }, sort ? h("button", { type: "button", onclick: () => sortBy(sort) },
    name === "rank" ? [h("span", { "aria-hidden": "true" }, "#"), h("span", { class: "hide" }, say("rank"))] : headed(name))
    : headed(name)))));
}

function rankChange(place) {
  const moved = board.rank_change?.[place] ?? null;
  if (moved === null) return null;
  const text = moved > 0 ? say("rank_up", { n: moved }) : moved < 0 ? say("rank_down", { n: -moved }) : say("rank_same");
  const mark = moved > 0 ? `▲${moved}` : moved < 0 ? `▼${-moved}` : "=";
  return h("small", { class: moved > 0 ? "up" : moved < 0 ? "down" : "", title: `${data.previous ? say("rank_since", { day: date(data.previous) }) : say("rank_change")}: ${text}` },
    h("span", { "aria-hidden": "true" }, mark), h("span", { class: "hide" }, text));
}

function numberCell(name, place) {
  const label = h("span", { class: "label", "aria-hidden": "true" }, headed(name));
  if (name === "p_up") {
    const best = outlookOf(place);
    return h("td", { class: "num c-p_up" }, label, chances(place), best ? `${say(CLASSES[best.name])} ${percent(best.chance)}` : MISSING);
  }
  const under = name === "share_predicted" && h("small", {}, range(board.lower[place], board.upper[place]));
  return h("td", { class: `num c-${name} ${signClass(name, place)}` }, label, cell(name, place), under || null);
}

function row(place) {
  const name = board.name[place];
  const spark = h("div", { class: "plot", role: "img",
    "aria-label": say("spark_told", { now: share(board.share_now[place]), predicted: share(board.share_predicted[place]) }) });
  const element = h("tr", { onclick: (event) => {
    if (!event.target.closest("a") && !String(getSelection())) location.hash = address({ style: board.style[place] });
  } },
  h("td", { class: "num rank" }, number(board.rank[place], {}), rankChange(place)),
  h("th", { scope: "row" }, h("div", { class: "style" },
    data.pictures[place].length ? h("span", { class: "pics" }, images(data.pictures[place], name, 2, 44)) : null,
    h("div", {}, styleLink(place), board.keywords[place] !== name
      ? h("span", { class: "words", lang: langOf(board.keywords[place]) }, board.keywords[place]) : null))),
  h("td", { class: "spark" }, spark),
  data.shown.map((column) => numberCell(column, place)));
  return { element, spark, place };
}

function pages() {
  return Math.max(1, Math.ceil(order.length / SIZE));
}

const pageNumber = () => Math.min(Math.max(1, Math.floor(Number(state.page)) || 1), pages());

// The numbers come first, so that typing into the search is not held up; paper cannot wait.
function drawSparks(table, shown) {
  const body = table.tBodies[0];
  const draw = () => {
    if (table.tBodies[0] === body) for (const item of shown) sparkline(table, item.spark, item.place);
  };
  if (printing) draw();
  else requestAnimationFrame(() => setTimeout(draw));
}

function drawTable() {
  const table = at("board");
  arrange();
  const start = (pageNumber() - 1) * SIZE;
  const shown = order.slice(start, start + SIZE).map(row);
  clear(table);
  table.append(h("caption", { class: "hide" }, say("caption", { by: rankedBy() })), head(), h("tbody", {}, shown.map((item) => item.element)));
  drawSparks(table, shown);
  const { name, direction } = sorting();
  for (const th of table.tHead.rows[0].cells) {
    if (!th.dataset.sort) continue;
    th.setAttribute("aria-sort", th.dataset.sort !== name ? "none" : direction > 0 ? "ascending" : "descending");
  }
  const filtered = order.length !== many;
  const numbers = { from: number(start + 1, {}), to: number(start + shown.length, {}), found: number(order.length, {}), all: number(many, {}) };
  at("told").textContent = say(!order.length ? "told_none" : filtered ? "told_filtered" : "told", numbers);
  showPager();
  syncTools();
}

// The head is drawn anew with the rows: who sorted by its button must find the focus there again.
function showTable() {
  const sort = document.activeElement.closest("#board th[data-sort]")?.dataset.sort;
  drawTable();
  if (sort) at("board").querySelector(`th[data-sort="${sort}"] button`).focus();
}

function turn(by) {
  const next = pageNumber() + by;
  if (next < 1 || next > pages()) return;
  change({ page: String(next) });
  const held = document.activeElement.dataset.turn;
  showTable();
  at("pager").querySelector(`[data-turn="${held}"]`)?.focus({ preventScroll: true });
  at("h-all").scrollIntoView();
}

function showPager() {
  const pager = at("pager");
  const now = pageNumber();
  const button = (by, name, off) => h("button", { type: "button", "data-turn": by, "aria-disabled": off ? "true" : null, onclick: () => turn(by) }, say(name));
  pager.setAttribute("aria-label", say("pages"));
  pager.hidden = pages() < 2;
  pager.replaceChildren(button(-1, "previous_page", now <= 1),
    h("span", {}, say("page_of", { page: number(now, {}), pages: number(pages(), {}) })), button(1, "next_page", now >= pages()));
}

function showTools() {
  const set = (name) => (event) => {
    change({ [name]: event.target.value, page: "1" });
    showTable();
  };
  const choice = (value, text) => h("option", { value: value || "none" }, text);
  const outlook = h("select", { id: "outlook", onchange: (event) => { change({ outlook: event.target.value === "none" ? "" : event.target.value, page: "1" }); showTable(); } },
    choice("", say("any")), choice("up", say("rises")), choice("flat", say("holds")), choice("down", say("falls")));
  const ordered = h("select", { id: "order", onchange: (event) => {
    const name = event.target.value;
    change({ sort: upward(name) ? name : `-${name}`, page: "1" });
    showTable();
  } }, sortable.map((name) => choice(name, name === "name" ? say("style") : headed(name))));
  at("tools").replaceChildren(
    h("label", { class: "find" }, say("find"), h("input", { id: "find", type: "search", autocomplete: "off", spellcheck: "false", oninput: set("q") })),
    h("label", {}, say("filter_outlook"), outlook),
    h("label", {}, say("filter_posts"), h("input", { id: "posts", type: "number", min: "0", step: "1", inputmode: "numeric", oninput: set("posts") })),
    h("label", {}, say("order"), ordered),
    h("button", { type: "button", id: "reset", onclick: () => { change({ q: "", outlook: "", posts: "", page: "1" }); showTable(); at("find").focus(); } }, say("reset")));
  at("tools").onsubmit = (event) => event.preventDefault();
}

function syncTools() {
  const wanted = { find: state.q, posts: state.posts, outlook: state.outlook || "none", order: sorting().name };
  for (const [id, value] of Object.entries(wanted)) if (at(id).value !== value) at(id).value = value;
}

// The arrows go from one style to the next, as Tab does over all that lies between.
at("board").addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by || !event.target.matches("a[data-style]")) return;
  const links = [...at("board").querySelectorAll("tbody a[data-style]")];
  const next = links[links.indexOf(event.target) + by];
  if (next) { event.preventDefault(); next.focus(); }
});
