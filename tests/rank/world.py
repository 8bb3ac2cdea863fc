"""A small panel with seasons, trends, births and deaths, drawn from known shares."""

import numpy as np
import pandas as pd

from data.panel import Panel


def make_panel(
    days: int = 800, styles: int = 8, per_day: int = 60, seed: int = 0, start: str = "2021-01-01", likes: bool = True
) -> Panel:
    rng = np.random.default_rng(seed)
    dates, t = pd.date_range(start, periods=days), np.arange(days)
    log_ST = rng.normal(0, 0.6, (styles, 1)) + 0.7 * np.cos(2 * np.pi * t / 365.25 + rng.uniform(0, 6, (styles, 1)))
    log_ST = log_ST + rng.normal(0, 0.4, (styles, 1)) * t / 365
    log_ST[-1, : int(0.69 * days)] = -50.0  # born late
    log_ST[-2, -days // 4 :] = -50.0  # dead
    share_ST = np.exp(log_ST) / np.exp(log_ST).sum(axis=0)
    total_T = rng.poisson(per_day, days)
    count_ST = np.stack([rng.multinomial(n, p) for n, p in zip(total_T, share_ST.T, strict=True)], axis=1)
    frame = pd.DataFrame(
        {
            "style": np.repeat([f"款式{number:02d}" for number in range(styles)], days),
            "date": np.tile(dates, styles),
            "count": count_ST.ravel(),
        }
    )
    if likes:
        frame["likes"] = rng.poisson(20, len(frame)) * frame["count"]
    return Panel.from_frame(frame)


def with_other_future(panel: Panel, day: pd.Timestamp, seed: int = 1) -> Panel:
    """The same panel up to a day; after it all counts and numbers are drawn anew."""
    rng = np.random.default_rng(seed)
    after = panel.index(day) + 1
    count_ST, numeric = panel.count_ST.copy(), {name: values.copy() for name, values in panel.numeric.items()}
    count_ST[:, after:] = rng.poisson(rng.uniform(0.1, 12, (len(count_ST), 1)), count_ST[:, after:].shape)
    for values_ST in numeric.values():
        values_ST[:, after:] = rng.uniform(0, 900, values_ST[:, after:].shape)
    return Panel(
        panel.styles, panel.days, count_ST, count_ST.sum(axis=0), numeric, panel.granularity, panel.partition
    )  # fmt: skip
