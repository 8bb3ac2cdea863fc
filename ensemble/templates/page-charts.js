// Drawings by uPlot. Each stands in a figure with a text that says the same, and its numbers in a table.
const drawn = new Map();  // element → charts in it, which listen to the window until they are destroyed

function clear(element) {
  for (const chart of drawn.get(element) || []) chart.destroy();
  drawn.set(element, []);
  element.replaceChildren();
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const shade = (name, part) => {
  const [r, g, b] = colour(name).match(/[0-9a-f]{2}/gi).map((hex) => parseInt(hex, 16));
  return `rgba(${r}, ${g}, ${b}, ${part})`;
};
const FONT = '12px "Noto Sans", "Segoe UI", "Helvetica Neue", Arial, "Noto Sans CJK SC", "PingFang SC", sans-serif';
const tzDate = (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC");

function plot(owner, holder, options, columns) {
  const chart = new uPlot({ legend: { show: false }, tzDate, ...options }, columns, holder);
  if (!drawn.has(owner)) drawn.set(owner, []);
  drawn.get(owner).push(chart);
  return chart;
}

const axis = (more) => ({
  stroke: colour("soft"), font: FONT, labelFont: FONT, grid: { stroke: colour("line"), width: 1 },
  ticks: { stroke: colour("line"), width: 1, size: 4 }, ...more,
});
const timeAxis = () => axis({
  space: 70, size: 32,
  values: (_, times) => times.map((time, n) => {
    const day = new Date(time * 1000);
    const year = n === 0 || day.getUTCFullYear() !== new Date(times[n - 1] * 1000).getUTCFullYear();
    const near = times.length > 1 && times[1] - times[0] < 25 * DAY;
    return dated(time, { month: "short", day: near ? "numeric" : undefined, year: year ? "numeric" : undefined });
  }),
});
const upTo = (top) => (_, low, high) => [0, Math.max(high, top, 1e-9) * 1.06];

// What a style's drawings show: the middle of each period, its share, and the forecast at the middle of its period.
function seriesOf(place) {
  const { ends, days, shares } = data.history;
  const unit = data.unit;
  const times = ends.map((day) => seconds(day) - ((days - 1) / 2) * DAY);
  const values = shares[place].map((whole) => (whole === null ? null : whole * unit));
  const target = (seconds(data.target_start) + seconds(data.target_end)) / 2;
  const last = values.findLastIndex((value) => value !== null);
  const lead = (end) => times.map((_, n) => (n === last ? values[last] : null)).concat(end);
  const said = board.share_predicted[place];
  return {
    times: [...times, target], values, target,
    line: [...values, null], said: lead(said),
    lower: lead(board.lower[place]), upper: lead(board.upper[place]),
    lower95: lead(board.lower_95[place]), upper95: lead(board.upper_95[place]),
  };
}

function sparkline(owner, holder, place) {
  const told = seriesOf(place);
  const ink = colour("spark");
  const accent = colour("accent");
  const hidden = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
  plot(owner, holder, {
    width: holder.clientWidth || 150, height: 40, padding: [3, 5, 3, 2], cursor: { show: false }, select: { show: false },
    scales: { x: { time: true }, y: { range: upTo(0) } }, axes: [{ show: false }, { show: false }],
    series: [
      {}, { stroke: ink, width: 1.3, points: { show: false } }, hidden, hidden,
      { stroke: accent, width: 1.3, dash: [3, 2], spanGaps: true,
        points: { show: true, size: 5, fill: accent, filter: (u, n, show) => (show ? [told.times.length - 1] : null) } },
    ],
    bands: [{ series: [3, 2], fill: shade("accent", 0.28) }],
  }, [told.times, told.line, told.lower, told.upper, told.said]);
}

const pastOf = (place) => {
  const past = data.past;
  if (!past) return [];
  const value = (name, n) => past[name][place][n] === null ? null : past[name][place][n] * data.unit;
  return past.origin.map((origin, n) => ({
    origin, start: past.target_start[n], end: past.target_end[n], time: (seconds(past.target_start[n]) + seconds(past.target_end[n])) / 2,
    share: value("share", n), lower: value("lower", n), upper: value("upper", n), truth: value("truth", n),
  })).filter((row) => row.share !== null);
};
const cameOf = (place) => (data.truth && data.truth[place] !== null ? data.truth[place] * data.unit : null);

function drawPast(u, past) {
  const { ctx } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.fillStyle = colour("past");
  ctx.strokeStyle = shade("past", 0.45);
  ctx.lineWidth = 4 * ratio;
  for (const row of past) {
    const x = u.valToPos(row.time, "x", true);
    if (row.lower !== null) {
      ctx.beginPath();
      ctx.moveTo(x, u.valToPos(row.lower, "y", true));
      ctx.lineTo(x, u.valToPos(row.upper, "y", true));
      ctx.stroke();
    }
    ctx.beginPath();
    ctx.arc(x, u.valToPos(row.share, "y", true), 3 * ratio, 0, 2 * Math.PI);
    ctx.fill();
  }
  ctx.restore();
}

function drawTarget(u) {
  const [left, right] = [data.target_start, data.target_end].map((day, n) => u.valToPos(seconds(day) + n * DAY, "x", true));
  u.ctx.save();
  u.ctx.fillStyle = shade("accent", 0.07);
  u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
  u.ctx.restore();
}

function fan(owner, holder, readout, place) {
  const told = seriesOf(place);
  const past = pastOf(place);
  const came = cameOf(place);
  const accent = colour("accent");
  const hidden = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
  const tops = [...told.values, board.upper_95[place], board.upper[place], board.share_predicted[place], came,
                ...past.flatMap((row) => [row.upper, row.share])].filter((value) => value !== null);
  const truth = told.times.map((_, n) => (n === told.times.length - 1 ? came : null));
  const chart = plot(owner, holder, {
    width: holder.clientWidth || 640, height: 280, padding: [10, 14, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: true, range: (_, low) => [low - DAY * 7, seconds(data.target_end) + 7 * DAY] }, y: { range: upTo(Math.max(...tops)) } },
    axes: [timeAxis(), axis({ size: 58, values: (_, ticks) => ticks.map((tick) => number(tick, { style: "percent", maximumFractionDigits: 4 })) })],
    series: [
      {}, { stroke: colour("ink"), width: 1.6, points: { show: false } }, hidden, hidden, hidden, hidden,
      { stroke: accent, width: 1.6, dash: [5, 4], spanGaps: true,
        points: { show: true, size: 8, fill: accent, filter: (u, n, show) => (show ? [told.times.length - 1] : null) } },
      { stroke: colour("ink"), width: 2, points: { show: true, size: 10, width: 2, fill: colour("card") } },
    ],
    bands: [{ series: [3, 2], fill: shade("accent", 0.16) }, { series: [5, 4], fill: shade("accent", 0.26) }],
    hooks: {
      drawAxes: [drawTarget], draw: [(u) => drawPast(u, past)],
      setCursor: [(u) => {
        const n = u.cursor.idx;
        const value = n === null || n === undefined ? null : told.line[n];
        readout.textContent = value === null || value === undefined ? "" : `${date(data.history.ends[n])}: ${share(value)}`;
      }],
    },
  }, [told.times, told.line, told.lower95, told.upper95, told.lower, told.upper, told.said, truth]);
  fit(owner, holder, chart);
}

function fit(owner, holder, chart) {
  new ResizeObserver(() => {
    if (drawn.get(owner)?.includes(chart) && holder.clientWidth && holder.clientWidth !== chart.width) {
      chart.setSize({ width: holder.clientWidth, height: chart.height });
    }
  }).observe(holder);
}

function calibrationChart(owner, holder) {
  const rows = data.record.calibration;
  const accent = colour("accent");
  const side = Math.min(holder.clientWidth || 320, 340);
  plot(owner, holder, {
    width: side, height: 280, padding: [8, 12, 0, 0], cursor: { show: false },
    scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
    axes: [
      axis({ label: say("calibration_x"), labelSize: 18, size: 28, values: (_, ticks) => ticks.map((tick) => number(100 * tick, {})) }),
      axis({ label: say("calibration_y"), labelSize: 18, size: 40, values: (_, ticks) => ticks.map((tick) => number(100 * tick, {})) }),
    ],
    series: [
      {}, { stroke: colour("soft"), width: 1, dash: [4, 4], points: { show: false }, spanGaps: true },
      { stroke: accent, width: 1.6, spanGaps: true, points: { show: true, size: 8, fill: accent } },
    ],
  }, [[0, ...rows.map((row) => row[0]), 1], [0, ...rows.map((row) => row[0]), 1], [null, ...rows.map((row) => row[1]), null]]);
}

function errorsChart(owner, holder) {
  const { origins, models } = data.record.errors;
  const times = origins.map(seconds);
  const names = Object.keys(models);
  const inks = [colour("accent"), colour("soft")];
  const top = Math.max(...names.flatMap((name) => models[name]));
  const chart = plot(owner, holder, {
    width: holder.clientWidth || 480, height: 280, padding: [8, 14, 0, 0], cursor: { show: false },
    scales: { x: { time: true, range: (_, low, high) => [low - 20 * DAY, high + 20 * DAY] }, y: { range: upTo(top) } },
    axes: [timeAxis(), axis({ size: 52, values: (_, ticks) => ticks.map((tick) => number(100 * tick, { maximumFractionDigits: 4 })) })],
    series: [{}, ...names.map((_, n) => ({
      stroke: inks[n], width: n ? 1.3 : 2, dash: n ? [4, 3] : undefined, points: { show: true, size: n ? 5 : 7, fill: inks[n] },
    }))],
  }, [times, ...names.map((name) => models[name])]);
  fit(owner, holder, chart);
}

// A drawing with what it says in words, its key, and its numbers.
function figure(title, told, key, table, readout, note) {
  const holder = h("div", { class: "plot", role: "img", "aria-label": told });
  const frame = h("figure", {},
    h("figcaption", {}, title, key && h("ul", { class: "key" }, key.map(([name, text]) => h("li", { class: name }, text))), readout),
    note && h("p", { class: "soft" }, note),
    holder,
    h("details", {}, h("summary", {}, say("numbers")), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": say("numbers") }, table)));
  return { frame, holder };
}

const numbersTable = (heads, rows) => h("table", { class: "numbers" },
  h("thead", {}, h("tr", {}, heads.map((text, n) => h("th", { scope: "col", class: n ? "num" : "" }, text)))),
  h("tbody", {}, rows.map((row) => h("tr", {}, row.map((text, n) => h(n ? "td" : "th", { scope: n ? "" : "row", class: n ? "num" : "" }, text))))));
