"""Numbers as people read them: shares, growth, points, probabilities, ages. Missing ones are a dash."""

import math
import unicodedata

import numpy as np
import pandas as pd

from rank.edges import class_names

MISSING = "–"
MINUS = "−"


def decimals_of(shares: pd.Series) -> int:
    """Decimals of a percentage that tell the smaller shares of a board apart, 1 to 4: the same for all its rows."""
    positive = shares[shares > 0]
    if positive.empty:
        return 1
    return int(np.clip(math.ceil(-math.log10(100 * float(positive.quantile(0.25)))) + 1, 1, 4))


def percent(value: float, decimals: int = 0, unit: str = "%") -> str:
    """A fraction as a percentage; exactly none is a plain 0, unlike what rounds to it."""
    if math.isnan(value):
        return MISSING
    return f"{100 * value:.{decimals if value else 0}f}{unit}"


def signed(value: float, decimals: int = 0, unit: str = "%") -> str:
    """A number with its sign; one that rounds to zero has none."""
    if math.isnan(value):
        return MISSING
    text = f"{abs(value):,.{decimals}f}"
    sign = "" if not text.strip("0.,") else "+" if value > 0 else MINUS
    return f"{sign}{text}{unit}"


def count(value: float) -> str:
    """A count or a mean: whole from ten on, else with one decimal unless it is whole."""
    if pd.isna(value):
        return MISSING
    return f"{value:,.0f}" if value >= 9.95 or value == round(value) else f"{value:.1f}"


def age(days: float) -> str:
    """Days as days up to a year, then as years."""
    if pd.isna(days):
        return MISSING
    return f"{days:.0f} d" if days < 365 else f"{days / 365.25:.1f} y"


def outlook(p_down: float, p_flat: float, p_up: float, classes: str = "change") -> str:
    """The likeliest of the three classes and its probability; at a tie the more cautious: holds, then falls.

    Args:
        p_down: of the first class.
        p_flat: of the second.
        p_up: of the third.
        classes: the rule that they were cut by.
    """
    chances = (p_down, p_flat, p_up)
    if any(map(math.isnan, chances)):
        return MISSING
    best = max((1, 0, 2), key=lambda place: chances[place])
    return f"{class_names(classes)[best]} {100 * chances[best]:.0f}%"


def skill_text(skill: float, low: float, high: float, decimals: int = 1) -> str:
    """`12.8% (4.1–19.9)`; with `to` where an end is below zero, and without brackets where no interval is known."""
    told = f"{100 * skill:.{decimals}f}%"
    if not math.isnan(low):
        dash = "–" if low >= 0 else " to "
        told += f" ({100 * low:.{decimals}f}{dash}{100 * high:.{decimals}f})"
    return told.replace("-", MINUS)


def width(text: str) -> int:
    """Columns that a text takes on a terminal: Chinese letters take two, combining marks none."""
    wide = {"W": 2, "F": 2}
    shown = (letter for letter in text if unicodedata.category(letter) not in {"Cf", "Mn", "Me"})
    return sum(wide.get(unicodedata.east_asian_width(letter), 1) for letter in shown)


def fit(text: str, columns: int) -> str:
    """A text cut with an ellipsis, or filled with spaces, to so many columns of a terminal.

    Control characters go: a title must not steer the terminal, nor turn the direction of the line.
    """
    text = "".join(letter for letter in text if unicodedata.category(letter) not in {"Cc", "Cf"})
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - width(text))
