"""Fabrics and backgrounds of the sample pictures, painted once a process and cut from at random afterwards.

Colours are BGR, as OpenCV has them. All that is here is the same in every world: the banks come from a fixed
seed, what a picture takes from them from the seed of its post.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

TILE = 240
"""Side of a fabric tile, pixels."""
TILE_SCALE = 2.4
"""Pixels of a fabric tile in one canvas unit."""
BACKGROUNDS = 60
"""How many backgrounds there are."""
BACKGROUND_SIDE = 160
"""Side of a background, pixels."""
NOISE_SIDE = 256
"""Side of a noise field, pixels."""


@dataclass(frozen=True)
class Palette:
    """The three colours of a style, BGR."""

    main: Colour
    second: Colour
    accent: Colour


COLOURS: dict[str, Palette] = {
    "jade": Palette((128, 158, 78), (200, 222, 196), (70, 150, 205)),
    "crimson": Palette((44, 34, 182), (36, 26, 120), (80, 190, 232)),
    "ink": Palette((50, 42, 40), (84, 72, 66), (86, 178, 214)),
    "cream": Palette((206, 230, 242), (80, 110, 170), (120, 160, 205)),
    "black": Palette((34, 32, 32), (215, 215, 220), (150, 150, 160)),
    "blue": Palette((206, 140, 70), (246, 240, 232), (120, 70, 30)),
    "white": Palette((244, 244, 244), (196, 196, 200), (150, 140, 130)),
    "grey": Palette((142, 138, 136), (78, 74, 74), (205, 205, 208)),
    "brown": Palette((52, 84, 132), (120, 162, 204), (30, 48, 84)),
    "navy": Palette((92, 50, 30), (196, 200, 204), (70, 60, 180)),
    "khaki": Palette((130, 172, 202), (84, 120, 152), (50, 74, 100)),
    "candy": Palette((150, 90, 240), (90, 214, 250), (206, 190, 60)),
    "denim": Palette((168, 118, 76), (110, 66, 36), (120, 190, 226)),
    "pink": Palette((200, 176, 244), (236, 232, 252), (130, 90, 214)),
    "lilac": Palette((206, 148, 174), (240, 224, 232), (130, 74, 100)),
    "mustard": Palette((64, 178, 222), (220, 240, 248), (44, 84, 130)),
}


def shade(colour: Colour, factor: float) -> Colour:
    """A darker (factor < 1) or lighter (> 1) colour."""
    blue, green, red = (int(min(255.0, channel * factor)) for channel in colour)
    return blue, green, red


def _flower(tile: Image, x: int, y: int, petal: Colour, heart: Colour, leaf: Colour) -> None:
    for dx, dy in ((0, -7), (7, -2), (4, 6), (-4, 6), (-7, -2)):
        # drawn on all sides of the seam, so that the tile can be repeated
        for ox in (-TILE, 0, TILE):
            for oy in (-TILE, 0, TILE):
                cv2.circle(tile, (x + dx + ox, y + dy + oy), 5, petal, -1, cv2.LINE_AA)
    cv2.circle(tile, (x, y), 4, heart, -1, cv2.LINE_AA)
    cv2.ellipse(tile, ((x + 13) % TILE, (y + 11) % TILE), (6, 3), 40, 0, 360, leaf, -1, cv2.LINE_AA)


def _stripes(tile: Image, palette: Palette) -> None:
    # sweets come in more than two colours
    colours = (palette.second, palette.accent) if palette is COLOURS["candy"] else (palette.second,)
    for number, x in enumerate(range(0, TILE, 20)):
        cv2.rectangle(tile, (x, 0), (x + 8, TILE), colours[number % len(colours)], -1)


def _checks(tile: Image, palette: Palette) -> None:
    down, across = tile.copy(), tile.copy()
    for x in range(0, TILE, 30):
        cv2.rectangle(down, (x, 0), (x + 11, TILE), palette.second, -1)
        cv2.rectangle(across, (0, x), (TILE, x + 11), palette.second, -1)
    tile[:] = cv2.addWeighted(down, 0.5, across, 0.5, 0)
    for x in range(20, TILE, 30):
        cv2.line(tile, (x, 0), (x, TILE), palette.accent, 2)
        cv2.line(tile, (0, x), (TILE, x), palette.accent, 2)


def _dots(tile: Image, palette: Palette) -> None:
    for row, y in enumerate(range(10, TILE, 20)):
        for x in range(10 * (row % 2), TILE + 10, 20):
            cv2.circle(tile, (x, y), 5, palette.second, -1, cv2.LINE_AA)


def _floral(tile: Image, palette: Palette) -> None:
    leaf = shade(palette.main, 0.6)
    for row, y in enumerate(range(15, TILE, 30)):
        for column, x in enumerate(range(20 + 20 * (row % 2), TILE, 40)):
            pair = (palette.accent, palette.second) if (row + column) % 2 else (palette.second, palette.accent)
            _flower(tile, x, y, *pair, leaf)


_PATTERNS = {"stripes": _stripes, "checks": _checks, "dots": _dots, "floral": _floral}


@lru_cache(maxsize=256)
def fabric(palette: str, pattern: str) -> Image:
    """A seamless tile of cloth, TILE × TILE × 3."""
    colours = COLOURS[palette]
    tile = np.empty((TILE, TILE, 3), np.uint8)
    tile[:] = colours.main
    if pattern != "plain":
        _PATTERNS[pattern](tile, colours)
    rng = np.random.default_rng([7, 1])
    weave = rng.normal(0, 14 if palette == "denim" else 6, (TILE, TILE, 1))
    cloth: Image = np.clip(tile + cv2.GaussianBlur(weave, (0, 0), 1.2)[:, :, None] * 2, 0, 255).astype(np.uint8)
    return cloth


def _random_colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    base = rng.uniform(low, high)
    blue, green, red = (int(np.clip(base + rng.normal(0, 16), 0, 255)) for _ in range(3))
    return blue, green, red


def _street(image: Image, rng: np.random.Generator) -> None:
    side = len(image)
    for _ in range(7):
        x, w = int(rng.uniform(-20, side)), int(rng.uniform(20, 50))
        top = int(rng.uniform(0, side * 0.5))
        wall = _random_colour(rng, 90, 210)
        cv2.rectangle(image, (x, top), (x + w, int(side * 0.72)), wall, -1)
        for y in range(top + 5, int(side * 0.65), 14):
            for wx in range(x + 4, x + w - 6, 12):
                cv2.rectangle(image, (wx, y), (wx + 6, y + 8), shade(wall, 0.72), -1)


def _leaves(image: Image, rng: np.random.Generator) -> None:
    for _ in range(160):
        centre = (int(rng.uniform(0, len(image))), int(rng.uniform(0, len(image) * 0.8)))
        green = (int(rng.uniform(40, 110)), int(rng.uniform(110, 190)), int(rng.uniform(60, 130)))
        cv2.circle(image, centre, int(rng.uniform(4, 12)), green, -1, cv2.LINE_AA)


def _bokeh(image: Image, rng: np.random.Generator) -> None:
    for _ in range(30):
        centre = (int(rng.uniform(0, len(image))), int(rng.uniform(0, len(image))))
        cv2.circle(image, centre, int(rng.uniform(5, 16)), _random_colour(rng, 150, 250), -1, cv2.LINE_AA)
    image[:] = cv2.GaussianBlur(image, (0, 0), 2.5)


def _room(image: Image, rng: np.random.Generator) -> None:
    side = len(image)
    frame, glass = _random_colour(rng, 150, 235), _random_colour(rng, 190, 250)
    x, y = int(rng.uniform(5, side * 0.6)), int(rng.uniform(5, side * 0.3))
    cv2.rectangle(image, (x, y), (x + 52, y + 62), frame, -1)
    cv2.rectangle(image, (x + 4, y + 4), (x + 48, y + 58), glass, -1)
    cv2.line(image, (x + 26, y), (x + 26, y + 62), frame, 3)
    chest = _random_colour(rng, 60, 180)
    cv2.rectangle(image, (side - x - 30, int(side * 0.5)), (side - x, int(side * 0.8)), chest, -1)


def _curtain(image: Image, rng: np.random.Generator) -> None:
    period = rng.uniform(14, 34)
    fold = 1 + 0.1 * np.sin(2 * np.pi * np.arange(len(image)) / period)
    image[:] = np.clip(image * fold[None, :, None], 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def backgrounds() -> tuple[Image, ...]:
    """Walls, rooms, streets, gardens and lights, BACKGROUND_SIDE × BACKGROUND_SIDE × 3 each."""
    kinds = (None, _curtain, _room, _street, _leaves, _bokeh)
    bank = []
    for number in range(BACKGROUNDS):
        rng = np.random.default_rng([7, 2, number + 1])
        image = np.empty((BACKGROUND_SIDE, BACKGROUND_SIDE, 3), np.uint8)
        image[:] = _random_colour(rng, 110, 245)
        paint = kinds[number % len(kinds)]
        if paint is not None:
            paint(image, rng)
        if paint not in (_bokeh, _curtain):
            floor = int(BACKGROUND_SIDE * rng.uniform(0.66, 0.85))
            image[floor:] = _random_colour(rng, 80, 220)
        light = np.linspace(rng.uniform(0.8, 1.15), rng.uniform(0.8, 1.15), BACKGROUND_SIDE)
        bank.append(np.clip(image * light[:, None, None], 0, 255).astype(np.uint8))
    return tuple(bank)


@lru_cache(maxsize=1)
def noise_field() -> NDArray[np.int16]:
    """Grain of a camera, standard deviation 10, NOISE_SIDE × NOISE_SIDE × 3."""
    return np.random.default_rng([7, 3]).normal(0, 10, (NOISE_SIDE, NOISE_SIDE, 3)).astype(np.int16)
