"""The wearer of the sample garments, and the pieces from which garments are cut.

Units: a canvas of 100 × 100, x to the right, y down; the person stands on the middle line x = 50, head at
y = 12, feet at y = 96.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Part:
    """One polygon, or one line of a garment."""

    role: str
    """What colour it takes: skin, hair, main, second, accent, dark, other (clothes worn with it), shoe."""
    points_K2: NDArray[np.float32]
    """Corners, canvas units."""
    width: float = 0.0
    """Line width, canvas units; 0 for a filled polygon."""
    person: bool = False
    """Belongs to the wearer, or to what is worn beside it: left out where the garment lies alone."""


def part(role: str, points: Points, width: float = 0.0, person: bool = False) -> Part:
    """One part, see `Part`."""
    return Part(role, np.array(points, dtype=np.float32), width, person)


def flip(points: Points) -> Points:
    """The same on the left side."""
    return [(100 - x, y) for x, y in points]


def body(profile: Points) -> Points:
    """A symmetric polygon from (half width, y), top to bottom."""
    return [(50 + half, y) for half, y in profile] + [(50 - half, y) for half, y in reversed(profile)]


def pair(role: str, points: Points, width: float = 0.0, person: bool = False) -> list[Part]:
    """A part of the right side and its mirror image."""
    return [part(role, points, width, person), part(role, flip(points), width, person)]


def lines(points_list: list[Points], role: str = "dark", width: float = 0.7) -> list[Part]:
    """Open lines of one role and width."""
    return [part(role, points, width) for points in points_list]


def oval(x: float, y: float, a: float, b: float) -> Points:
    """An ellipse around (x, y) with half axes a and b."""
    angles = np.linspace(0, 2 * np.pi, 17)[:-1]
    return [(float(x + a * np.cos(t)), float(y + b * np.sin(t))) for t in angles]


def person(arms: bool = True) -> list[Part]:
    """The wearer. Arms are left out where sleeves cover them."""
    parts = [part("hair", body([(5, 6), (7.4, 9), (8, 15), (7.6, 24), (5, 27)]), person=True)]
    parts.append(part("skin", body([(2.6, 17), (2.8, 23), (11, 26.5), (10, 34), (7.5, 44)]), person=True))
    parts.append(part("skin", oval(50, 13.5, 5.2, 6.6), person=True))
    parts.append(part("hair", body([(3, 6.2), (5.6, 9), (4.4, 10.6), (0, 9.6)]), person=True))
    if arms:
        parts += pair("skin", [(58, 27), (62, 29), (67, 52), (65, 56), (62.6, 54), (58.5, 36)], person=True)
    parts += pair("skin", [(50.4, 54), (60, 54), (57.6, 74), (56, 93), (52.6, 93), (51.5, 74)], person=True)
    parts += pair("shoe", [(52.2, 92), (56.6, 92), (59.5, 96.5), (52.4, 96.5)], person=True)
    return parts


def trousers() -> list[Part]:
    """Plain trousers, worn with what ends at the hip."""
    return pair("other", [(49.8, 44), (58.5, 44), (60.5, 56), (57.5, 93), (51.8, 93), (50.4, 60)], person=True)


def sleeve(shoulder: float, end: float, width: float) -> Points:
    """A sleeve of the right side: from half width `shoulder` down to y = `end`, `width` wide there."""
    x = 50 + shoulder
    lean = (end - 27) * 0.22
    return [
        (x - 3.5, 26.5), (x + 0.8, 27.2), (x + lean + width * 0.6, end), (x + lean - width * 0.5, end + 1.2),
        (x - 2.6, 38),
    ]  # fmt: skip
