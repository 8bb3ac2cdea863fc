"""Pictures: decoded once, turned upright, resized, kept as uint8.

Shapes: N pictures, S×S pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from data.video import is_video, open_frame

MAX_PIXELS = 50_000_000  # a picture beyond this is a decompression bomb, or no post's picture
THUMB = 8
# The eight lowest waves of a cosine transform over 32 pixels.
_COSINES = np.cos(np.pi / 32 * np.outer(np.arange(8), np.arange(32) + 0.5)).astype(np.float32)


@dataclass(frozen=True)
class Decoded:
    """One picture, or the reason why there is none."""

    image: np.ndarray | None
    """uint8 S×S×3 RGB."""
    reason: str
    """Why it cannot be used; "" = it can."""
    hash: int = 0
    """Perceptual hash: copies differ in few of its bits."""
    thumb: bytes = b""
    """Coarse colours, uint8 8×8×3 RGB of the whole picture."""


def perceptual_hash(image: np.ndarray) -> int:
    """64 bits: which of the lowest frequencies of the grey levels lie above their median (C. Zauner, pHash, 2010).

    Args:
        image: uint8 H×W×3 RGB.

    Returns:
        The hash as a signed 64-bit number.
    """
    gray = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    waves = (_COSINES @ gray.astype(np.float32) @ _COSINES.T).ravel()
    # The first is the brightness. Sorting 64 numbers is four times as fast as NumPy's median.
    bits = np.packbits(waves > np.sort(waves[1:])[31])
    return int(np.frombuffer(bits.tobytes(), dtype=">i8")[0])


def fit_within(image: np.ndarray, size: int) -> np.ndarray:
    """Resize with the proportions kept, so that the longer side has `size` pixels."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, new, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def place_in(shape: tuple[int, ...], size: int) -> tuple[slice, slice]:
    """Rows and columns of a square of `size` pixels in which a picture lies, in the middle."""
    top, left = (size - shape[0]) // 2, (size - shape[1]) // 2
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def letterbox(image: np.ndarray, size: int, around: int = 255) -> np.ndarray:
    """Resize to a square with the proportions kept; the rest is white, or as bright as `around`.

    Args:
        image: uint8 H×W×3, or H×W.
        size: side of the square, pixels.
        around: 0..255.

    Returns:
        uint8 size×size×3, or size×size.
    """
    small = fit_within(image, size)
    if small.shape[:2] == (size, size):
        return small
    square = np.full((size, size, *image.shape[2:]), around, np.uint8)
    square[place_in(small.shape, size)] = small
    return square


def upright(picture: Image.Image, size: int) -> np.ndarray:
    """Decode an opened picture, upright and on white.

    Args:
        picture: of which only the header was read, and its pixels counted.
        size: side that is needed, pixels; a JPEG may come at a fraction of its own, at least twice this.

    Returns:
        uint8 H×W×3 RGB.
    """
    picture.draft("RGB", (2 * size, 2 * size))  # JPEG decodes at a fraction of its size, several times faster
    turned = ImageOps.exif_transpose(picture)
    if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
        rgba = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(turned.convert("RGB"))


def open_picture(path: Path, size: int) -> np.ndarray:
    """Read a picture, or the frame of a video, upright and on white.

    Args:
        path: the file.
        size: side that is needed, pixels; a JPEG may come at a fraction of its own, at least twice this.

    Returns:
        uint8 H×W×3 RGB.

    Raises:
        ValueError: it is too large, or a video that cannot be read.
        Exception: whatever Pillow raises for a file that it cannot read.
    """
    if is_video(path.name):
        return open_frame(path, MAX_PIXELS)
    with Image.open(path) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"{picture.width}×{picture.height} pixels are more than {MAX_PIXELS:,}")
        return upright(picture, size)


def inside(root: Path, relative: str) -> Path | None:
    """Where a path of the table leads, links followed; None where it leaves the image root."""
    path = (root / relative).resolve()
    return path if path.is_relative_to(root.resolve()) else None


def as_kept(image: np.ndarray, size: int, min_contrast: float) -> Decoded:
    """A decoded picture as it is kept: resized to a square, unless it is nearly one colour.

    Args:
        image: uint8 H×W×3 RGB.
        size: side of the result, pixels.
        min_contrast: smallest standard deviation of the grey levels (0..255); below it a picture is empty.
    """
    small = fit_within(image, size)
    square = letterbox(small, size)
    contrast = float(cv2.meanStdDev(square)[1].mean())  # ten times as fast as NumPy's
    if contrast < min_contrast:
        return Decoded(None, f"nearly one colour (contrast {contrast:.1f} < {min_contrast})")
    thumb = cv2.resize(small, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return Decoded(square, "", perceptual_hash(small), thumb.tobytes())


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
    path = inside(root, relative)
    if path is None:
        return Decoded(None, "path outside the image root")
    if not path.is_file():
        return Decoded(None, "no such file")
    try:
        return as_kept(open_picture(path, size), size, min_contrast)
    # Pillow raises OSError, SyntaxError, ValueError, struct.error … for broken files; all mean the same here.
    except Exception as error:
        kind = "video" if is_video(relative) else "picture"
        return Decoded(None, f"unreadable {kind} ({type(error).__name__}: {error})".replace(str(path), relative))


def decode_all(paths: list[str], root: Path, size: int, min_contrast: float) -> list[Decoded]:
    """Read several pictures, in order; for a worker process."""
    cv2.setNumThreads(1)
    return [decode(root, path, size, min_contrast) for path in paths]
