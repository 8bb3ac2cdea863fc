// What all parts share: data, state in the address, words, numbers and dates, elements whose texts are only text.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const at = (id) => document.getElementById(id);
const data = read("data");
const words = read("words");
const uris = read("uris");
const board = data.board;
const many = board.style.length;
const placeOf = new Map(board.style.map((style, place) => [style, place]));

// The state of the page is its address: what is sorted, filtered and open can be sent as a link.
const EMPTY = { sort: "rank", q: "", outlook: "", posts: "", page: "1", style: "", lang: "", theme: "", part: "" };
let state = { ...EMPTY };

function parse() {
  const given = new URLSearchParams(location.hash.slice(1));
  state = { ...EMPTY };
  for (const name of Object.keys(EMPTY)) if (given.has(name)) state[name] = given.get(name);
}

function address(changes) {
  const next = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...state, part: "", ...changes })) {
    if (value !== EMPTY[name]) next.set(name, value);
  }
  return `#${next}`;
}

// The server's search page, in the language that was chosen here.
function searchAddress(phrase) {
  const asked = new URLSearchParams();
  if (phrase) asked.set("q", phrase);
  if (state.lang) asked.set("lang", chinese() ? "zh" : "en");
  return [data.search, String(asked)].filter(Boolean).join("?");
}

function change(changes) {
  history.replaceState(null, "", address(changes));
  parse();
}

const chinese = () => {
  const asked = state.lang || (data.language === "auto" ? navigator.language : data.language);
  return asked.toLowerCase().startsWith("zh");
};
const locale = () => (chinese() ? "zh-CN" : "en-GB");

let printing = false;

// The text of a name, its {places} filled; a name that is not known is an error of this page, not of its data.
// What the classes are decides some texts: they stand by `name@level` and `name@band`.
function say(name, values = {}) {
  const texts = words[`${name}@${data.classes}`] || words[name];
  if (!texts) throw new Error(`no words for ${name}`);
  return texts[chinese() ? 1 : 0].replace(/\{(\w+)\}/g, (_, key) => (key === "band" ? bandText() : values[key]));
}

const bandText = () => number(data.band / 100, { style: "percent", maximumFractionDigits: 2 });
const has = (name) => Object.hasOwn(words, name);
const HAN = /[\u3400-\u9fff]/;
// Without it a browser draws Han characters in the Japanese or Korean form that its font prefers.
const langOf = (text) => (HAN.test(text) ? "zh-Hans" : "");

// An element; strings become text, never markup.
function h(tag, options, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (value === null || value === undefined || value === false || value === "") continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const MISSING = "–";
const formats = new Map();
function number(value, options) {
  if (value === null || value === undefined) return MISSING;
  const key = locale() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale(), options));
  return formats.get(key).format(value).replace("-", "−");
}
const digits = (n) => ({ minimumFractionDigits: n, maximumFractionDigits: n });
// Exactly none is a plain 0, unlike what rounds to it.
const percent = (value, n = 0) => number(value, { style: "percent", ...digits(value === 0 ? 0 : n) });
const share = (value) => percent(value, data.decimals);
const signed = (value, n = 0) => number(value, { signDisplay: "exceptZero", ...digits(n) });
const growth = (value) => (value === null ? MISSING : number(value / 100, { style: "percent", signDisplay: "exceptZero" }));
const points = (value) => signed(value, Math.min(data.decimals + 1, 4));
const count = (value) => number(value, digits(value === null || value >= 9.95 || Number.isInteger(value) ? 0 : 1));
function age(days) {
  if (days === null) return MISSING;
  return days < 365 ? say("days", { n: number(days, {}) }) : say("years", { n: number(days / 365.25, digits(1)) });
}

const DAY = 86400;
const seconds = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
const dated = (time, options) => new Intl.DateTimeFormat(locale(), { timeZone: "UTC", ...options }).format(time * 1000);
const date = (day) => dated(seconds(day), { dateStyle: "medium" });
// A whole calendar month is called by its name.
function period(start, end) {
  const [first, last] = [seconds(start), seconds(end)];
  const next = new Date((last + DAY) * 1000);
  if (start.endsWith("-01") && next.getUTCDate() === 1 && last - first < 31 * DAY) {
    return dated(first, { year: "numeric", month: "long" });
  }
  return say("period_value", { start: date(start), end: date(end) });
}

// The likeliest class; at a tie the more cautious: holds, then falls.
const CLASSES = { flat: "holds", down: "falls", up: "rises" };
function outlookOf(place) {
  let best = null;
  for (const name of Object.keys(CLASSES)) {
    const chance = board[`p_${name}`][place];
    if (chance === null) return null;
    if (best === null || chance > best.chance) best = { name, chance };
  }
  return best;
}

// A number of the posts, such as likes; one of the feed's own is called as its column is.
function numberName(name) {
  const spelt = name.replaceAll("_", " ");
  return has(`number.${name}`) ? say(`number.${name}`) : spelt.charAt(0).toUpperCase() + spelt.slice(1);
}
const POST = "_per_post";
const columnName = (name) => (name.endsWith(POST) ? say("per_post", { name: numberName(name.slice(0, -POST.length)) }) : say(name));
const level = () => percent(data.interval);
const rankedBy = () => say(`by.${data.ranked_by}`);
const columnHelp = (name) =>
  say(`help.${name.endsWith(POST) ? "per_post" : name}`, { interval: level(), by: rankedBy() });

const SIGNS = new Set(["growth", "change", "momentum"]);
const TEXTS = { share_now: share, share_predicted: share, growth, change: points, momentum: growth, age_days: age };
const cell = (name, place) => (TEXTS[name] || count)(board[name][place]);
// Gains and losses have colours beside their signs; what rounds to zero has neither.
const signClass = (name, place) => (SIGNS.has(name) ? { "+": "up", "−": "down" }[cell(name, place)[0]] || "" : "");
const range = (low, high) => (low === null || high === null ? "" : `${share(low)} – ${share(high)}`);

function chances(place) {
  const [down, flat, up] = ["down", "flat", "up"].map((name) => board[`p_${name}`][place]);
  if (down === null) return null;
  const part = (name, value) => {
    const element = h("i", { class: name });
    element.style.width = `${100 * value}%`;
    return element;
  };
  return h("span", { class: "chances", "aria-hidden": "true" }, part("down", down), part("flat", flat), part("up", up));
}

function images(places, name, most, size) {
  return places.slice(0, most).map((place, n) => h("img", {
    src: uris[place], width: size, height: size, alt: name && say("picture", { name, n: n + 1 }), loading: "lazy",
  }));
}

const bare = (place, size) => {
  const image = h("img", { src: uris[place], width: size, height: size });
  image.alt = "";  // its name stands beside it
  return image;
};

const styleLink = (place, ...children) => h("a", {
  href: address({ style: board.style[place] }), lang: langOf(board.name[place]), "data-style": board.style[place],
}, ...(children.length ? children : [board.name[place]]));
