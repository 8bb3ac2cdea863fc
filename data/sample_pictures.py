"""One picture of the sample world: a garment, worn or laid out, somewhere, in some light, partly hidden.

Units: canvas units (100 × 100, see sample_garments) become pixels by one affine map a picture. Colours BGR.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.sample_camera import develop, hide
from data.sample_colours import (
    BACKGROUND_SIDE,
    BACKGROUNDS,
    COLOURS,
    TILE_SCALE,
    Colour,
    Image,
    backgrounds,
    fabric,
    shade,
)
from data.sample_garments import Garment, Part, build_garment
from data.sample_styles import Style

_SHIFT = 4  # OpenCV's fixed point: 1/16 pixel
_SKINS: tuple[Colour, ...] = ((196, 214, 240), (176, 202, 234), (150, 182, 222), (120, 156, 200))
_HAIRS: tuple[Colour, ...] = ((34, 30, 30), (44, 52, 70), (60, 84, 124), (90, 90, 110))
_OTHERS: tuple[Colour, ...] = (
    (240, 240, 240), (46, 44, 44), (130, 130, 130), (176, 206, 222), (140, 96, 62), (70, 110, 150),
)  # fmt: skip
_SHOES: tuple[Colour, ...] = ((235, 235, 235), (40, 38, 38), (60, 90, 140), (60, 50, 170))


@dataclass(frozen=True)
class Scene:
    """What the pictures of one post share: the place, the wearer and the light."""

    background: int
    """Index into the bank of backgrounds."""
    skin: Colour
    """Colour of skin."""
    hair: Colour
    """Colour of hair."""
    other: Colour
    """Colour of the clothes worn with the garment."""
    shoe: Colour
    """Colour of the shoes."""
    gain: tuple[float, float, float]
    """Factor of the light on blue, green and red."""
    quality: int
    """JPEG quality, 1 to 100."""


def _pick(rng: np.random.Generator, items: Sequence[Colour]) -> Colour:
    return items[int(rng.random() * len(items))]


def draw_scene(rng: np.random.Generator, home: int) -> Scene:
    """Where a post was photographed: half the time at its author's home, background `home`."""
    background = home if rng.random() < 0.5 else int(rng.random() * BACKGROUNDS)
    light = rng.uniform(0.65, 1.18)
    blue, green, red = (light * (1 + rng.normal(0, 0.05)) for _ in range(3))
    return Scene(
        background=background,
        skin=_pick(rng, _SKINS),
        hair=_pick(rng, _HAIRS),
        other=_pick(rng, _OTHERS),
        shoe=_pick(rng, _SHOES),
        gain=(blue, green, red),
        quality=int(rng.uniform(70, 93)),
    )


@lru_cache(maxsize=512)
def _garment(garment: str, cut: str) -> Garment:
    return build_garment(garment, cut)


def _pose(rng: np.random.Generator, garment: Garment, size: int) -> tuple[NDArray[np.float64], bool]:
    """The affine map from canvas units to pixels, 2×3, and whether the garment lies without a wearer."""
    left, top, right, bottom = garment.box
    view = rng.random()
    alone = view >= 0.8
    if view < 0.45:  # from head to foot
        centre, zoom, tilt = (50.0, 51.0), rng.uniform(0.82, 1.05), rng.normal(0, 4)
    else:  # near, or laid out
        zoom = 100 / max((right - left) * 1.3, (bottom - top) * 1.2) * rng.uniform(0.8, 1.02)
        centre, tilt = ((left + right) / 2, (top + bottom) / 2), rng.normal(0, 14 if alone else 5)
    angle = np.deg2rad(tilt)
    scale = zoom * size / 100
    mirror = 1.0 if rng.random() < 0.5 else -1.0
    squeeze = rng.uniform(0.9, 1.08)  # turned a little away from the camera
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([mirror * squeeze, 1.0])
    shift = np.array([rng.normal(0, 0.055), rng.normal(0, 0.035)]) * size
    offset = size / 2 + shift - linear @ np.array(centre)
    return np.hstack([linear, offset[:, None]]), alone


def _fixed(points_K2: NDArray[np.float32], pose: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pixels in OpenCV's fixed point."""
    fixed: NDArray[np.int32] = ((points_K2 @ pose[:, :2].T + pose[:, 2]) * (1 << _SHIFT)).astype(np.int32)
    return fixed


def _draw_parts(
    image: Image,
    parts: tuple[Part, ...],
    pose: NDArray[np.float64],
    colours: dict[str, Colour],
    alone: bool,
    unit: float,
) -> None:
    for part in parts:
        if alone and (part.person or part.role in ("skin", "hair")):
            continue
        points = _fixed(part.points_K2, pose)
        if part.width:
            width = max(1, round(part.width * unit))
            cv2.polylines(image, [points], False, colours[part.role], width, cv2.LINE_AA, _SHIFT)
        else:
            cv2.fillPoly(image, [points], colours[part.role], cv2.LINE_AA, _SHIFT)


def _clothe(
    image: Image,
    garment: Garment,
    style: Style,
    pose: NDArray[np.float64],
    dark: Colour,
    rng: np.random.Generator,
) -> None:
    """Lay the fabric over the main parts; it turns and scales with the body."""
    size = len(image)
    back = cv2.invertAffineTransform(pose) * TILE_SCALE
    back[:, 2] += rng.random(2) * 1000
    cloth = cv2.warpAffine(
        fabric(style.palette, style.pattern),
        back,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    outlines = [_fixed(part.points_K2, pose) for part in garment.main]
    for outline in outlines:
        mask = np.zeros((size, size), np.uint8)
        cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, _SHIFT)
        cv2.copyTo(cloth, mask, image)
        cv2.polylines(image, [outline], True, dark, 1, cv2.LINE_AA, _SHIFT)


def _place(scene: Scene, size: int, rng: np.random.Generator) -> Image:
    side = int(BACKGROUND_SIDE * rng.uniform(0.6, 1.0))
    y, x = (int(value) for value in rng.random(2) * (BACKGROUND_SIDE - side))
    cut = backgrounds()[scene.background][y : y + side, x : x + side]
    return np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def draw_picture(style: Style, scene: Scene, size: int, rng: np.random.Generator) -> Image:
    """A picture of a style.

    Args:
        style: what is worn.
        scene: where, and by whom.
        size: side of the picture, pixels.
        rng: pose, view, occlusion and grain.

    Returns:
        size × size × 3, BGR.
    """
    garment = _garment(style.garment, style.cut)
    palette = COLOURS[style.palette]
    dark = shade(palette.main, 0.62) if sum(palette.main) > 150 else (92, 86, 84)
    colours: dict[str, Colour] = {
        "skin": scene.skin,
        "hair": scene.hair,
        "other": scene.other,
        "shoe": scene.shoe,
        "second": palette.second,
        "accent": palette.accent,
        "dark": dark,
        "main2": shade(palette.main, 0.86),
        "light": shade(palette.main, 1.2),
    }
    image = _place(scene, size, rng)
    pose, alone = _pose(rng, garment, size)
    unit = float(np.sqrt(abs(np.linalg.det(pose[:, :2]))))
    _draw_parts(image, garment.under, pose, colours, alone, unit)
    _clothe(image, garment, style, pose, dark, rng)
    _draw_parts(image, garment.over, pose, colours, alone, unit)
    if rng.random() < 0.35:
        hide(image, rng)
    return develop(image, scene.gain, rng)


def draw_near_empty(scene: Scene, size: int, rng: np.random.Generator) -> Image:
    """A picture with next to nothing on it: one colour, a hair of grain. size × size × 3, BGR."""
    image = np.empty((size, size, 3), np.uint8)
    image[:] = int(rng.uniform(8, 250))
    return develop(image, scene.gain, rng)
