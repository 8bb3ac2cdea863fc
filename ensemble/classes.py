"""What the classes of a forecast are, in words.

`falls, holds, rises` where they are of change, by terciles or within a band; `low, middle, high` where of the share to
come. The page has its own words for each (`templates/words.json`, names with `@`).
"""

from rank.edges import LEVEL, band_of, class_names

RANKED_BY = {
    "growth": "predicted growth", "share": "predicted share", "rising": "probability of rising",
    "change": "predicted change in percentage points",
}  # fmt: skip
"""What the rank follows, in words, where the classes are of change."""


def told_names(classes: str) -> str:
    """The names of the classes, and what the band is where there is one."""
    return ", ".join(class_names(classes)) + _band_note(classes)


def told_chances(p_down: float, p_flat: float, p_up: float, classes: str) -> str:
    """The probabilities of the classes by name: `falls 3%, holds 39%, rises 58%`."""
    chances = zip(class_names(classes), (p_down, p_flat, p_up), strict=True)
    return ", ".join(f"{name} {chance:.0%}" for name, chance in chances) + _band_note(classes)


def _band_note(classes: str) -> str:
    band = band_of(classes)
    return f" (holds: within ±{band:g}%)" if band else ""


def ranked_by(by: str, classes: str) -> str:
    """What the rank follows, in words.

    Args:
        by: of `RANKED_BY`.
        classes: the rule that the classes were cut by.
    """
    return "probability of a high share" if (by, classes) == ("rising", LEVEL) else RANKED_BY[by]
