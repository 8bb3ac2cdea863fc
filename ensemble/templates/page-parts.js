// The parts around the table: head, movers, new styles, the record, and how to read it all.
const PARTS = ["movers", "all", "emerging", "record", "guide"];

function showHead() {
  document.documentElement.lang = chinese() ? "zh-Hans" : "en";
  const title = data.title === words.title[0] ? say("title") : data.title;
  at("title").textContent = title;
  at("title").lang = langOf(title) || "en";
  at("skip").textContent = say("skip");
  at("skip").href = address({ part: "all" });
  const when = period(data.target_start, data.target_end);
  at("when").textContent = `${say("known")} ${date(data.origin)} · ${say("period")} ${when}`;
  const feed = data.feed === words.feed[0] ? say("feed") : data.feed;
  at("lead").textContent = say("lead", { feed, origin: date(data.origin) });
  at("nav").setAttribute("aria-label", say("nav"));
  at("nav").replaceChildren(...PARTS.map((part) => h("a", { href: address({ part }) }, say(part))),
    data.search ? h("a", { href: searchAddress() }, say("search_pictures")) : "");
  for (const part of PARTS) at(`h-${part}`).textContent = say(part);
  showSwitches();
  showFacts();
}

function showSwitches() {
  const next = chinese() ? "en" : "zh";
  const dark = document.documentElement.dataset.theme === "dark";
  const origins = data.origins.length > 1
    ? h("label", {}, say("origin_choice"), h("select", { id: "origin", onchange: (event) => {
      location.assign(`?origin=${event.target.value}${address({ style: "" })}`);
    } }, data.origins.map((day) => h("option", { value: day, selected: day === data.origin }, date(day))))) : "";
  at("switches").replaceChildren(origins,
    h("button", { type: "button", id: "language", lang: next === "zh" ? "zh-Hans" : "en", onclick: () => { change({ lang: next }); show(); at("language").focus(); } }, say("language")),
    h("button", { type: "button", id: "theme", onclick: () => { change({ theme: dark ? "light" : "dark" }); show(); at("theme").focus(); } }, say(dark ? "light" : "dark")));
}

function showFacts() {
  const told = { up: 0, flat: 0, down: 0 };
  for (let place = 0; place < many; place += 1) {
    const best = outlookOf(place);
    if (best) told[best.name] += 1;
  }
  const facts = [[say("styles"), number(many, {})], [say("posts_recent"), count(data.posts)]];
  if (told.up + told.flat + told.down) {
    facts.push([say("outlooks"), say("outlooks_value", Object.fromEntries(Object.entries(told).map(([key, value]) => [key, number(value, {})])))]);
  }
  if (data.emerging_share !== null) facts.push([say("emerging_share"), percent(data.emerging_share, 1)]);
  at("facts").replaceChildren(...facts.map(([name, text]) => fact(name, text)));
}

function showMovers() {
  const tell = {
    gain: (place) => [points(board.change[place]), say("points"), `${share(board.share_now[place])} → ${share(board.share_predicted[place])}`],
    rose: (place) => [growth(board.momentum[place]), "", `${share(board.share_now[place])} · ${count(board.posts_28d[place])} ${say("posts_28d").toLowerCase()}`],
  };
  tell.lose = tell.gain;
  tell.fell = tell.rose;
  at("movers").replaceChildren(...["gain", "lose", "rose", "fell"].map((list) => {
    const sign = list === "gain" || list === "rose" ? "up" : "down";
    const rows = data.movers[list].map((place) => {
      const [main, unit, small] = tell[list](place);
      return h("li", {}, data.pictures[place].length ? bare(data.pictures[place][0], 40) : null,
        h("span", { class: "who" }, styleLink(place), h("small", { class: "num" }, small)),
        h("span", { class: `num ${sign}` }, main, unit ? h("small", {}, ` ${unit}`) : null));
    });
    return h("div", {}, h("h3", {}, say(list)), h("ol", {}, rows.length ? rows : h("li", { class: "soft" }, say("none"))));
  }));
}

function showEmerging() {
  const holder = at("emerging");
  const cards = data.emerging.map((row) => {
    const near = placeOf.get(row.nearest);
    return h("li", {},
      row.pictures.length ? h("span", { class: "pics" }, images(row.pictures, row.name || row.proposal, 4, 64)) : null,
      h("b", { lang: langOf(row.name) }, row.name || row.proposal),
      row.keywords && row.keywords !== row.name ? h("span", { class: "words", lang: langOf(row.keywords) }, row.keywords) : null,
      h("small", {}, `${say("first_seen", { day: date(row.first_seen) })} · ${say("new_posts", { posts: number(row.posts, {}), authors: number(row.authors, {}), new: number(row.new_posts, {}) })}`,
        row.growth === null ? "" : ` · ${say("new_growth", { growth: growth(row.growth) })}`),
      near === undefined ? null : h("small", {}, `${say("nearest_to")} `, styleLink(near)));
  });
  holder.replaceChildren(...[h("p", { class: "soft" }, say(cards.length ? "emerging_note" : "no_emerging")), cards.length ? h("ul", { class: "new" }, cards) : ""].filter(Boolean));
}

// Three digits of the least error, for all of them.
const errorDigits = () => {
  const least = Math.min(...data.record.rows.map((row) => 100 * row.mae).filter((value) => value > 0));
  return Number.isFinite(least) ? Math.min(Math.max(2 - Math.floor(Math.log10(least)), 1), 6) : 2;
};
const errorText = (value) => (value === null || value === undefined ? MISSING : number(100 * value, digits(errorDigits())));

function verdict() {
  const { record } = data;
  const mine = record.rows.find((row) => row.kind === "ensemble");
  const best = record.rows.find((row) => row.model === record.rung);
  const parts = [say(`verdict.${record.verdict}`, {
    origins: record.origins ?? "", mine: errorText(mine?.mae), best: errorText(best?.mae), rung: record.rung, gain: percent(mine?.gain),
  })];
  if (record.verdict !== "none" && record.chosen && (mine?.skill_low ?? null) !== null) {
    parts.push(say("verdict.skill", { chosen: record.chosen, skill: percent(mine.skill), low: percent(mine.skill_low), high: percent(mine.skill_high) }));
    if (record.doubtful) parts.push(say("verdict.doubt"));
  }
  return parts.join(chinese() ? "" : " ");
}

function skillText(row) {
  if ((row.skill ?? null) === null) return MISSING;
  return row.skill_low === null ? percent(row.skill) : `${percent(row.skill)} (${percent(row.skill_low)} … ${percent(row.skill_high)})`;
}

const METRICS = {
  mae: (row) => errorText(row.mae), gain: (row) => percent(row.gain), skill: skillText,
  coverage: (row) => percent(row.coverage), coverage_95: (row) => percent(row.coverage_95),
  spearman_growth: (row) => number(row.spearman_growth, digits(2)),
};

function recordTable() {
  const { rows } = data.record;
  const shown = Object.keys(METRICS).filter((name) => name in rows[0]);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": say("record") }, h("table", { class: "record" },
    h("caption", {}, say("record_caption")),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, say("model")), shown.map((name) => h("th", { scope: "col", class: "num" }, say(`m.${name}`, { level: level() }))))),
    h("tbody", {}, rows.map((row) => h("tr", { class: row.kind }, h("th", { scope: "row" }, `${row.model} `, h("small", {}, say(`kind.${row.kind}`))),
      shown.map((name) => h("td", { class: "num" }, METRICS[name](row))))))));
}

function showRecord() {
  const { record } = data;
  const told = at("verdict");
  told.className = record.good ? "verdict" : "verdict caution";
  told.replaceChildren(`${verdict()} `, record.rows.length ? h("a", { href: address({ part: "record" }) }, say("see_record")) : "");
  const holder = at("record");
  clear(holder);
  if (!record.rows.length) return holder.append(h("p", {}, verdict()));
  holder.append(recordTable());
  if (!record.calibration.length) return holder.append(h("p", { class: "soft" }, say("no_past")));
  const said = record.calibration.map(([level, seen]) => [percent(level, 1), percent(seen, 1)]);
  const calibration = figure(say("calibration"), say("calibration_told", {
    cells: number(record.cells, {}), list: said.map(([level, seen]) => say("calibration_item", { said: level, seen })).join("; "),
  }), null, numbersTable([say("said"), say("seen")], said), null, say("calibration_note"));
  const names = Object.keys(record.errors.models);
  const rows = record.errors.origins.map((day, n) => [date(day), ...names.map((name) => errorText(record.errors.models[name][n]))]);
  const errors = figure(say("errors"), say("errors_told", {
    n: record.errors.origins.length, rung: record.chosen, list: rows.map((row) => row.join(" ")).join("; "),
  }), [["dash", names[0]], ["rung", names[1]]].filter(([, name]) => name).map(([mark, name], n) => [n ? "rung" : "mine", name]),
  numbersTable([say("col.said_on"), ...names], rows), null, say("errors_note"));
  holder.append(h("div", { class: "halves even" }, calibration.frame, errors.frame));
  calibrationChart(holder, calibration.holder);
  errorsChart(holder, errors.holder);
}

function showGuide() {
  const by = { by: rankedBy(), interval: level() };
  const rows = [[say("rank"), say("help.rank", by)], [say("spark"), say("help.spark", by)],
                ...data.shown.map((name) => [columnName(name), columnHelp(name)]), [say("record"), say("help.record")]];
  at("guide").replaceChildren(...rows.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
}
