"""Pictures: decoded once, turned upright, resized, kept as uint8.

Shapes: N pictures, S×S pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 50_000_000  # a picture beyond this is a decompression bomb, or no post's picture


@dataclass(frozen=True)
class Decoded:
    """One picture, or the reason why there is none."""

    image: np.ndarray | None
    """uint8 S×S×3 RGB."""
    reason: str
    """Why it cannot be used; "" = it can."""
    family: int
    """Difference hash: near duplicates share it."""


def difference_hash(image: np.ndarray) -> int:
    """64 bits that tell where brightness falls from left to right (N. Krawetz, dHash, 2013).

    Args:
        image: uint8 H×W×3 RGB.

    Returns:
        The hash as a signed 64-bit number.
    """
    gray = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(gray[:, 1:] > gray[:, :-1])
    return int(np.frombuffer(bits.tobytes(), dtype=">i8")[0])


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """Resize to a square with the proportions kept; the rest is white.

    Args:
        image: uint8 H×W×3.
        size: side of the square, pixels.

    Returns:
        uint8 size×size×3.
    """
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, new, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if new == (size, size):
        return small
    square = np.full((size, size, 3), 255, np.uint8)
    top, left = (size - new[1]) // 2, (size - new[0]) // 2
    square[top : top + new[1], left : left + new[0]] = small
    return square


def _open(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"{picture.width}×{picture.height} pixels are more than {MAX_PIXELS:,}")
        picture.draft("RGB", (2 * size, 2 * size))  # JPEG decodes at a fraction of its size, several times faster
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            rgba = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        return np.asarray(upright.convert("RGB"))


def decode(root: Path, relative: str, size: int, min_contrast: float) -> Decoded:
    """Read one picture.

    Args:
        root: the image root; a path that leaves it is refused.
        relative: the path in the table.
        size: side of the result, pixels.
        min_contrast: smallest standard deviation of the grey levels (0..255); below it a picture is empty.

    Returns:
        The picture, or why it cannot be used.
    """
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        return Decoded(None, "path outside the image root", 0)
    if not path.is_file():
        return Decoded(None, "no such file", 0)
    try:
        image = letterbox(_open(path, size), size)
    # Pillow raises OSError, SyntaxError, ValueError, struct.error … for broken files; all mean the same here.
    except Exception as error:
        return Decoded(None, f"unreadable picture ({type(error).__name__}: {error})".replace(str(path), relative), 0)
    contrast = float(cv2.meanStdDev(image)[1].mean())  # ten times as fast as NumPy's
    if contrast < min_contrast:
        return Decoded(None, f"nearly one colour (contrast {contrast:.1f} < {min_contrast})", 0)
    return Decoded(image, "", difference_hash(image))


def decode_all(paths: list[str], root: Path, size: int, min_contrast: float) -> list[Decoded]:
    """Read several pictures, in order; for a worker process."""
    cv2.setNumThreads(1)
    return [decode(root, path, size, min_contrast) for path in paths]
