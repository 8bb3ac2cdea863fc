"""What part of the sample world's future can be known: the error of oracles, beside a forecast that repeats.

Shape legend: S styles, T days, M calendar months that lie wholly within the days.
"""

import numpy as np
from numpy.typing import NDArray

from data.sample_dynamics import NOISE_DAYS, Floats, Process, softmax

AHEAD = 2
"""Months from the origin's month to the month predicted."""
LAST = 12
"""Months of the short table, the size of a default backtest."""


def month_sums(values_ST: Floats, days_T: NDArray[np.datetime64]) -> tuple[Floats, NDArray[np.datetime64]]:
    """Sums over the calendar months that are there from first to last day.

    Returns:
        The sums, S×M, and the months.
    """
    month_T = days_T.astype("datetime64[M]")
    months, first, length = np.unique(month_T, return_index=True, return_counts=True)
    whole = length == ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(int)
    sums = np.add.reduceat(values_ST, first, axis=1)[:, whole] if len(first) else values_ST[:, :0]
    return sums.astype(np.float64), months[whole]


def informed_shares(process: Process, origin: int) -> Floats:
    """Shares of all days as expected by one who also knows the noise up to day `origin`.

    Where engagement leads the share, the noise is known until `origin` + lead. An AR(1) noise falls back to
    zero after its last known value by exp(-days / NOISE_DAYS).
    """
    days = np.arange(len(process.days_T))
    last_S = origin + process.lead_S
    gone_ST = np.maximum(days[None, :] - last_S[:, None], 0)
    known_ST = np.minimum(days[None, :], last_S[:, None])
    noise_ST = np.take_along_axis(process.noise_ST, known_ST, axis=1) * np.exp(-gone_ST / NOISE_DAYS)
    return softmax(process.known_ST[:, : len(days)] + noise_ST)


def _monthly(share_ST: Floats, process: Process) -> Floats:
    weighted, _ = month_sums(share_ST * process.posts_T, process.days_T)
    total, _ = month_sums(process.posts_T[None, :].astype(np.float64), process.days_T)
    monthly: Floats = weighted / np.maximum(total, 1)
    return monthly


def knowable(process: Process, count_ST: Floats) -> dict[str, dict[str, float | int | None]]:
    """Mean absolute error of monthly shares, over styles and months, each month seen from two months before.

    Args:
        process: the world's process.
        count_ST: posts of each true style on each day, as drawn.

    Returns:
        For `all_months` and `last_12_months`: `months`, and the errors (None where no month can be scored)
        `oracle_mae` (knows the process, not the noise), `informed_oracle_mae` (knows, beside it, the noise up
        to the origin, and up to origin + lead where engagement tells it), `persistence_mae` (the share of the
        month two months before) and `sampling_mae` (knows the noise too: what is left is the luck of the draw).
    """
    counts, months = month_sums(count_ST, process.days_T)
    realised = counts / np.maximum(counts.sum(axis=0), 1)
    scored = np.arange(AHEAD, len(months))
    informed = np.empty((len(count_ST), len(scored)))
    for place, month in enumerate(scored):
        origin_day = (months[month - AHEAD] + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
        origin = int((origin_day - process.days_T[0]).astype(int))
        informed[:, place] = _monthly(informed_shares(process, origin), process)[:, month]
    truth = realised[:, scored]
    error = {
        "oracle_mae": np.abs(_monthly(process.expected_ST, process)[:, scored] - truth),
        "informed_oracle_mae": np.abs(informed - truth),
        "persistence_mae": np.abs(realised[:, scored - AHEAD] - truth),
        "sampling_mae": np.abs(_monthly(process.share_ST, process)[:, scored] - truth),
    }
    result: dict[str, dict[str, float | int | None]] = {}
    for name, start in (("all_months", 0), ("last_12_months", max(0, len(scored) - LAST))):
        result[name] = {"months": len(scored) - start}
        result[name].update(
            {key: float(value[:, start:].mean()) if len(scored) else None for key, value in error.items()}
        )
    return result
