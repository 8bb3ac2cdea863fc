// A style's view: a dialog over the table, opened by its address; Escape closes it.
const dialog = at("detail");
let opener = "";  // style whose link has the focus again when the view closes

const fact = (name, text, more) => h("div", {}, h("dt", {}, name), h("dd", { class: more?.class || "" }, text, more?.small ? h("small", {}, more.small) : null));

function factsOf(place) {
  const value = (name, small) => fact(columnName(name), cell(name, place), { class: signClass(name, place), small });
  const facts = [
    value("share_now"),
    value("share_predicted", null),
    fact(say("interval", { level: level() }), range(board.lower[place], board.upper[place]) || MISSING),
    fact(say("interval", { level: percent(0.95) }), range(board.lower_95[place], board.upper_95[place]) || MISSING),
    value("growth"), value("change"), value("momentum"), value("posts_28d"),
    ...data.per_post.map((name) => value(name)), value("age_days"),
  ];
  for (const name of ["rank_share", "rank_rising"]) if (name in board) facts.push(value(name));
  if ((board.rank_change?.[place] ?? null) !== null) facts.push(fact(say("rank_change"), rankChange(place)));
  return h("dl", { class: "facts grid" }, facts);
}

function outlookBlock(place) {
  const told = ["down", "flat", "up"].map((name) => percent(board[`p_${name}`][place]));
  const bar = chances(place);
  return h("div", { class: "outlook" }, bar, h("p", {}, bar ? say("outlook_told", { down: told[0], flat: told[1], up: told[2] }) : MISSING));
}

function fanBlock(place, owner) {
  const name = board.name[place];
  const { values } = seriesOf(place);
  const known = values.filter((value) => value !== null);
  const [shown, lower, upper] = ["share_predicted", "lower", "upper"].map((column) => share(board[column][place]));
  const told = say("history_told", {
    name, points: number(known.length, {}), days: data.history.days, first: known.length ? share(known[0]) : MISSING,
    last: known.length ? share(known.at(-1)) : MISSING, low: known.length ? share(Math.min(...known)) : MISSING,
    high: known.length ? share(Math.max(...known)) : MISSING,
    period: period(data.target_start, data.target_end), predicted: shown, lower, upper,
  });
  const past = pastOf(place);
  const came = cameOf(place);
  const key = [["line", say("key.history", { days: data.history.days })], ["dash", say("key.said")],
               ["fan80", say("key.fan80", { level: level() })], ["fan95", say("key.fan95")], ["target", say("key.target")]];
  if (past.length) key.push(["past", say("key.past", { level: level() })]);
  if (came !== null) key.push(["truth", `${say("key.truth")}: ${share(came)}`]);
  const saidRows = [...past, {
    origin: data.origin, start: data.target_start, end: data.target_end, share: board.share_predicted[place],
    lower: board.lower[place], upper: board.upper[place], truth: came,
  }];
  const table = h("div", { class: "tables" },
    numbersTable(["col.said_on", "col.for", "col.said", "col.lower", "col.upper", "col.truth"].map((key) => say(key)),
      saidRows.map((row) => [date(row.origin), period(row.start, row.end), share(row.share), share(row.lower), share(row.upper), share(row.truth)])),
    numbersTable([say("col.end"), say("col.share")], data.history.ends.map((day, n) => [date(day), share(values[n])])));
  const readout = h("span", { class: "readout", "aria-hidden": "true" });
  const { frame, holder } = figure("", told, key, table, readout);
  return { frame, draw: () => fan(owner, holder, readout, place) };
}

// Kinds of reasons; those of the feed's own numbers are `number:likes`.
const kindName = (kind) => (has(`kind.${kind}`) ? say(`kind.${kind}`) : numberName(kind.replace(/^number:/, "")));

function reasonsBlock(place) {
  const rows = data.reasons?.[place] || [];
  if (!rows.length) return h("p", { class: "soft" }, say("no_reasons"));
  return h("div", {}, h("ol", { class: "reasons" }, rows.map(([kind, english, han, effect]) => h("li", {},
    h("span", {}, h("b", {}, kindName(kind)), h("span", {}, chinese() ? han : english)),
    h("span", { class: `num ${effect > 0 ? "up" : effect < 0 ? "down" : ""}` }, signed(effect, Math.abs(effect) < 9.95 ? 1 : 0))))),
  h("p", { class: "soft" }, say("reasons_note", { weight: percent(data.reasons_weight) })));
}

function nearBlock(place) {
  const rows = data.near?.[place];
  if (!rows) return h("p", { class: "soft" }, say("no_near"));
  return h("ul", { class: "cards" }, rows.map(([other, cosine]) => h("li", {},
    data.pictures[other].length ? bare(data.pictures[other][0], 56) : null,
    h("span", {}, styleLink(other), h("small", {}, say("near_told", { growth: growth(board.growth[other]), cosine: number(cosine, digits(2)) }))))));
}

function lineageBlock(style) {
  const rows = data.lineage.filter(([, , previous, current]) => previous === style || current === style);
  if (!rows.length) return h("p", { class: "soft" }, say("no_lineage"));
  return h("ul", { class: "lineage" }, rows.map(([refit, relation, previous, current, , shared, ofPrevious, ofCurrent]) => h("li", {},
    h("b", {}, say("refit", { n: refit })), " ", say(`lineage.${relation}`, {
      previous, current, shared: number(shared, {}), of_previous: percent(ofPrevious), of_current: percent(ofCurrent),
    }))));
}

function block(title, ...content) {
  return h("section", {}, h("h3", {}, title), ...content);
}

function neighbour(place, by, sign, name) {
  const where = order.indexOf(place);
  const other = where < 0 ? undefined : order[where + by];
  return h("button", { type: "button", "aria-label": say(name), title: say(name), "aria-disabled": other === undefined ? "true" : null,
    onclick: () => {
      if (other === undefined) return;
      change({ style: board.style[other] });
      showStyle();
      dialog.querySelector(`[aria-label="${CSS.escape(say(name))}"]`).focus();
    } }, sign);
}

function drawStyle(place) {
  const name = board.name[place];
  const style = board.style[place];
  const lang = langOf(name);
  const { frame, draw } = fanBlock(place, dialog);
  const pictures = images(data.pictures[place], name, 99, 128);
  const search = data.search && board.keywords[place]
    ? h("p", {}, h("a", { href: searchAddress(board.keywords[place].split(" ").slice(0, 3).join(" ")) }, say("search_words"))) : null;
  clear(dialog);
  dialog.append(
    h("div", { class: "bar" },
      h("h2", { id: "h-style", tabindex: "-1", lang }, h("span", { class: "soft" }, `${number(board.rank[place], {})} `), name, style !== name ? h("small", {}, ` ${style}`) : null),
      h("div", { class: "switches" }, neighbour(place, -1, "‹", "previous_style"), neighbour(place, 1, "›", "next_style"),
        h("button", { type: "button", id: "close", onclick: closeStyle }, say("close")))),
    h("div", { class: "body" },
      pictures.length ? h("div", { class: "gallery" }, pictures) : null,
      board.keywords[place] ? h("p", { class: "chips", lang: langOf(board.keywords[place]), "aria-label": say("words"), role: "group" },
        board.keywords[place].split(" ").map((word) => h("span", {}, word))) : null, search,
      factsOf(place),
      h("div", { class: "halves" },
        block(say("history"), frame),
        h("div", {}, block(say("outlook"), outlookBlock(place)), block(say("reasons"), reasonsBlock(place)))),
      h("div", { class: "halves even" }, block(say("near"), nearBlock(place)), block(say("lineage"), lineageBlock(style)))));
  return draw;
}

function showStyle() {
  const place = placeOf.get(state.style);
  if (place === undefined) {
    if (state.style) at("told").textContent = say("no_style", { style: state.style });
    if (dialog.open) shut();
    return;
  }
  const draw = drawStyle(place);
  opener = state.style;
  if (!dialog.open) {
    dialog.showModal();
    dialog.querySelector("#h-style").focus();
  }
  document.body.classList.add("open");
  dialog.scrollTop = 0;
  draw();
}

function shut() {
  dialog.close();
  document.body.classList.remove("open");
  clear(dialog);
  const link = document.querySelector(`#board a[data-style="${CSS.escape(opener)}"]`) || document.querySelector("#board tbody a") || at("h-all");
  link.focus();
}

function closeStyle() {
  location.hash = address({ style: "" });
}

dialog.addEventListener("cancel", (event) => { event.preventDefault(); closeStyle(); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) closeStyle(); });
