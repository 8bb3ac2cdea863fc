"""A panel whose engagement tells the share of twelve days later, and sets of its posts."""

import numpy as np
import pandas as pd

from data.panel import Panel
from data.windows import Target
from rank.bags import Bags
from rank.fusion_config import RECIPES

TARGET = Target.parse("days:10-15")
TINY = RECIPES["tiny"]()
LEAD = 12  # the middle of days 10 to 15


def make_panel(days: int = 220, styles: int = 5, seed: int = 0, per_day: int = 120, sd: float = 0.5) -> Panel:
    """Log shares wander; the likes of a post tell the log share of twelve days later."""
    rng = np.random.default_rng(seed)
    steps_ST = rng.normal(0, sd, (styles, days + LEAD + 30))
    kernel = np.hanning(25) / np.hanning(25).sum() * 3
    log_ST = np.stack([np.convolve(row, kernel, mode="same") for row in steps_ST])[:, 15 : 15 + days + LEAD]
    share_ST = np.exp(log_ST) / np.exp(log_ST).sum(axis=0)
    count_ST = np.stack([rng.multinomial(per_day, share_ST[:, t]) for t in range(days)], axis=1).astype(float)
    likes_ST = count_ST * (4 + log_ST[:, LEAD:]) + rng.normal(0, 0.3, (styles, days)) * np.sqrt(count_ST)
    dates = pd.date_range("2024-01-01", periods=days).as_unit("ns")
    names = tuple(f"s{number}" for number in range(styles))
    return Panel(names, dates, count_ST, count_ST.sum(axis=0), {"likes_log": likes_ST}, "day", True)


def make_bags(panel: Panel, seed: int = 0, most: int = 3, sides: tuple[str, ...] = ("picture", "text")) -> Bags:
    rng = np.random.default_rng(seed)
    style_N, day_N = (np.repeat(x, np.minimum(panel.count_ST, most).astype(int).ravel())
                      for x in np.indices(panel.count_ST.shape).reshape(2, -1))  # fmt: skip
    ids = [f"p{number}" for number in range(len(style_N))]
    items = pd.DataFrame({"post_id": ids, "picture_id": ids, "style": np.array(panel.styles)[style_N],
                          "time": panel.days[day_N], "likes": rng.poisson(9, len(ids))})  # fmt: skip
    vectors = {side: (ids, rng.normal(size=(len(ids), 6)).astype(np.float32)) for side in sides}
    return Bags.build(items, panel.styles, panel.days, vectors.get("picture"), vectors.get("text"))


def origins_of(panel: Panel, start: int, stop: int, step: int) -> pd.DatetimeIndex:
    return panel.days[start:stop:step]
