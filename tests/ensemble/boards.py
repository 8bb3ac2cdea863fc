"""Boards of any size for the page: seasonal shares, earlier forecasts with what came, pictures, hostile names."""

import cv2
import numpy as np
import pandas as pd

from data.panel import Panel
from ensemble.beside import Beside, nearest
from ensemble.board import build_leaderboard
from ensemble.history import past_forecasts
from ensemble.page import render_page
from ensemble.page_data import PageMeta, Sources, page_data
from ensemble.proposed import COLUMNS as PROPOSED
from recall.lineage import COLUMNS as LINEAGE

HOSTILE = (
    "<script>window.hacked=1</script>", "</script><script>window.hacked=2</script>",
    '"><img src=x onerror=window.hacked=3>', "<!--<script>", "{{ 7*7 }}${7*7}", "javascript:window.hacked=4",
)  # fmt: skip
WORDS = ["linen", "旗袍", "denim", "汉服", "tweed", "碎花", "corduroy", "马面裙", "pleated", "国风", "silk", "复古"]
ORIGINS = pd.date_range("2023-09-30", "2024-05-31", freq="ME")


def panel_of(styles: int, days: int = 1100) -> Panel:
    """Counts of styles that have seasons and trends; the last day is 31 May 2024."""
    random = np.random.default_rng(7)
    when = pd.date_range(end="2024-05-31", periods=days)
    turn_T = 2 * np.pi * when.dayofyear.to_numpy() / 365.25
    height_S1 = random.lognormal(0, 0.6, (styles, 1))
    phase_S1, swing_S1 = random.uniform(0, 6.3, (styles, 1)), random.uniform(0, 0.6, (styles, 1))
    trend_S1 = random.normal(0, 0.4, (styles, 1))
    rate_ST = height_S1 * (1 + swing_S1 * np.sin(turn_T + phase_S1)) * np.exp(trend_S1 * np.linspace(-1, 1, days))
    count_ST = random.poisson(rate_ST / rate_ST.sum(axis=0) * max(60, 4 * styles)).astype(float)
    likes_ST = count_ST * random.uniform(5, 900, (styles, 1))
    names = tuple(f"s{number:05d}" for number in range(styles))
    more = {"collects": likes_ST / 3, "comments": likes_ST / 20} if styles < 2000 else {}
    numbers = {"likes": likes_ST} | more
    return Panel(names, when, count_ST, count_ST.sum(axis=0), numbers, "day", True)


def forecasts_of(panel: Panel) -> pd.DataFrame:
    """What an ensemble and the rule `last` said of the second month after each origin; both a little wrong."""
    random, parts = np.random.default_rng(11), []
    for origin in ORIGINS:
        start = (origin + pd.offsets.MonthBegin(2)).normalize()
        window = slice(panel.index(origin) - 29, panel.index(origin) + 1)
        now_S = panel.count_ST[:, window].sum(axis=1) / panel.total_T[window].sum()
        for model, width in (("ensemble", 0.12), ("last", 0.0)):
            share_S = now_S * np.exp(random.normal(0, width, len(now_S)))
            up_S = 1 / (1 + np.exp(-6 * np.log((share_S + 1e-6) / (now_S + 1e-6))))
            parts.append(pd.DataFrame({
                "style": panel.styles, "origin": origin, "target_start": start,
                "target_end": start + pd.offsets.MonthEnd(1), "model": model, "share": share_S, "lower": 0.8 * share_S,
                "upper": 1.22 * share_S, "lower_95": 0.65 * share_S, "upper_95": 1.45 * share_S,
                "growth": np.log((share_S + 1e-6) / (now_S + 1e-6)), "p_down": 0.8 * (1 - up_S), "p_flat": 0.2,
                "p_up": 0.8 * up_S,
            }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def styles_of(panel: Panel, pictures: int) -> pd.DataFrame:
    """Names, words and pictures; the first names are hostile."""
    words = [
        [WORDS[(7 * number + step * step) % len(WORDS)] for step in range(4)] for number in range(len(panel.styles))
    ]
    names = [f"{some[0]} · {some[1]} {number}" for number, some in enumerate(words)]
    names[: len(HOSTILE)] = HOSTILE[: len(names)]
    shown = [[f"p{number}/{place}" for place in range(pictures)] for number in range(len(names))]
    return pd.DataFrame({"style": panel.styles, "name": names, "keywords": [" ".join(some) for some in words],
                         "medoids": shown})  # fmt: skip


def reasons_of(panel: Panel, origin: pd.Timestamp) -> pd.DataFrame:
    """Three reasons a style."""
    told = [("season", "season starts, as last year (+30%)", "旺季将至", 9.4),
            ("recent", "rose 4 weeks running", "连续 4 周上升", 4.21),
            ("number:likes", f"likes per post up {HOSTILE[0]}", f"篇均点赞上升 {HOSTILE[0]}", -2.0)]  # fmt: skip
    return pd.DataFrame([(origin, style, number, *row) for style in panel.styles
                         for number, row in enumerate(told, start=1)],
                        columns=["origin", "style", "number", "kind", "text", "text_zh", "points"])  # fmt: skip


def beside_of(panel: Panel) -> Beside:
    """Neighbours, two refits."""
    vectors_SV = np.random.default_rng(3).normal(size=(len(panel.styles), 8))
    vectors_SV /= np.linalg.norm(vectors_SV, axis=1, keepdims=True)
    lineage = pd.DataFrame([(1, "s00002", "s00002", "split", True, 120, 0.6, 0.9, 0.1),
                            (1, "s00002", "s00003", "split", False, 80, 0.4, 0.8, 0.4),
                            (2, "", "s00003", "birth", False, 0, 0.0, 0.0, np.nan)], columns=LINEAGE)  # fmt: skip
    return Beside(nearest(vectors_SV, panel.styles), lineage)


def new_ones() -> pd.DataFrame:
    """A proposal with a hostile name."""
    row = {
        "origin": ORIGINS[-1], "proposal": "e2024-05-1", "first_proposal": "e2024-04-1", "name": f"mesh {HOSTILE[0]}",
        "keywords": "mesh 网纱 sheer", "first_seen": pd.Timestamp("2024-03-09"), "posts": 31, "new_posts": 17,
        "share": 0.01, "growth": 40.0, "authors": 9, "nearest": "s00001", "nearest_name": "x",
        "pictures": "p1/0;p2/0;p3/0", "post_ids": "p1;p2;p3",
    }  # fmt: skip
    return pd.DataFrame([row], columns=PROPOSED)


def metrics_of() -> pd.DataFrame:
    """A backtest that the ensemble won, beyond chance."""
    return pd.DataFrame({
        "split": ["validation", "validation", "test", "test", "test"],
        "model": ["last", "theta", "last", "theta", "ensemble"],
        "mae": [0.005, 0.006, 0.0051, 0.0055, 0.0041], "skill": [0, -0.2, 0, -0.08, 0.196],
        "skill_low": [0, -0.3, 0, -0.2, 0.09], "skill_high": [0, -0.1, 0, 0.02, 0.28],
        "coverage": [0.8, 0.8, 0.79, 0.81, 0.82], "coverage_95": [0.95, 0.95, 0.94, 0.95, 0.96],
        "spearman_growth": [0, 0.1, 0, 0.08, 0.41], "origins": 7,
    })  # fmt: skip


def thumbnails_of(styles: pd.DataFrame, side: int) -> dict[str, bytes]:
    """A plain picture of its own colour for each id."""
    found = {}
    for number, name in enumerate(name for names in styles["medoids"] for name in names):
        hsv = np.full((side, side, 3), (37 * number % 180, 90, 200), np.uint8)
        hsv[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4, 1] = 190
        found[name] = cv2.imencode(".jpg", cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))[1].tobytes()
    return found


def page_of(styles: int, pictures: int = 3, side: int = 128, meta: PageMeta | None = None) -> str:
    """The page of a made-up board."""
    panel = panel_of(styles, 1100 if styles < 2000 else 800)
    forecast, known = forecasts_of(panel), styles_of(panel, pictures)
    earlier = build_leaderboard(forecast, panel, known, ORIGINS[-2])
    board, origin = build_leaderboard(forecast, panel, known, previous=earlier), ORIGINS[-1]
    sources = Sources(
        panel, metrics_of(), past_forecasts(forecast, panel, origin, ["ensemble", "last"]),
        reasons_of(panel, origin), beside_of(panel), new_ones(), thumbnails_of(known, side),
    )  # fmt: skip
    return render_page(
        page_data(board, sources, meta or PageMeta(emerging_share=0.034, language="en", reasons_weight=0.25))
    )
