"""A feature as data, and the logs of shares that features are made of. Shapes: S styles."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rank.look import Look

NUMBER = "number:"
"""Kind of the features of a further number, before its name."""
KINDS = {
    "recent": "what the style did in the last weeks",
    "level": "where it stands in its own history",
    "season": "the time of the year",
    "size": "how large it is beside the others",
    "noise": "how many posts it rests on, and how much it moves",
    "newcomer": "how old it is, and what became of styles like it at its age",
}
"""What features speak of; their effects on a forecast are told together. `number:NAME` are those of a number."""


@dataclass(frozen=True)
class Feature:
    """One column of the table that LightGBM learns from."""

    name: str
    """Its name in models and explanations."""
    description: str
    """What it says, in words."""
    function: Callable[[Look], np.ndarray]
    """From what is seen at an origin to a value for each style, [S]; NaN where it cannot be said."""
    kind: str
    """What it speaks of: of `KINDS`, or `number:NAME`."""
    rising: bool = False
    """Whether growth can only rise with it; `--boost.monotone` holds the model to that."""


def log_share(look: Look, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
    """log(share + half a post) over a window, [S]; NaN where it does not lie in the history or holds no post."""
    if not look.held((start, end)):
        return np.full(len(look.reference_S), np.nan)
    return np.log(look.sums.share(start, end) + 0.5 / max(look.sums.total(start, end), 1.0))


def log_reference(look: Look) -> np.ndarray:
    """log(reference share + half a post), [S]."""
    return np.log(look.reference_S + look.half)
