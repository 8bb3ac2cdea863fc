"""What stands between a sample scene and its file: things before the lens, light, grain, JPEG, and damage."""

import cv2
import numpy as np

from data.sample_colours import NOISE_SIDE, Image, noise_field


def hide(image: Image, rng: np.random.Generator) -> None:
    """Put something before the lens: a caption, a bag, a phone, a leaf."""
    size = len(image)
    x, y = (int(value) for value in rng.random(2) * size)
    colour = (int(rng.random() * 255), int(rng.random() * 255), int(rng.random() * 255))
    kind = int(rng.random() * 4)
    if kind == 0:
        y = int(size * (0.06 if y % 2 else 0.8))
        cv2.rectangle(image, (x // 2, y), (x // 2 + size // 2, y + size // 8), colour, -1)
        for place in range(5):
            left = x // 2 + 4 + place * size // 11
            cv2.rectangle(image, (left, y + size // 32), (left + size // 16, y + size // 11), (250, 250, 250), 1)
    elif kind == 1:
        side = x // 8 if x % 2 else size - x // 8
        axes = (size // 9, size // 7)
        cv2.ellipse(image, (side, size // 2 + y // 3), axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    elif kind == 2:
        top = (size * 2 // 5 + x // 8, size // 6 + y // 8)
        cv2.rectangle(image, top, (top[0] + size // 10, top[1] + size // 6), (40, 40, 44), -1)
    else:
        corner = (0 if x % 2 else size, 0 if y % 2 else size)
        cv2.circle(image, corner, size // 4, (60, 130, 84), -1, cv2.LINE_AA)


def develop(image: Image, gain: tuple[float, float, float], rng: np.random.Generator) -> Image:
    """Light and camera: gain on blue, green and red, blur, grain."""
    size = len(image)
    if rng.random() < 0.12:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), dtype=np.uint8)
    levels = np.arange(256, dtype=np.float64)[:, None] * np.array(gain) * rng.uniform(0.93, 1.07)
    table = np.clip(levels, 0, 255).astype(np.uint8)[:, None, :]
    image = np.asarray(cv2.LUT(image, table), dtype=np.uint8)
    room = max(1, NOISE_SIDE - size)
    y, x = (int(value) for value in rng.random(2) * room)
    grain = noise_field()[y : y + size, x : x + size]
    strength = rng.uniform(0.15, 0.9)
    if grain.shape[:2] != (size, size):
        grain = np.tile(noise_field(), (size // NOISE_SIDE + 1, size // NOISE_SIDE + 1, 1))[:size, :size]
    return np.asarray(cv2.addWeighted(image, 1.0, grain, strength, 0.0, dtype=cv2.CV_8U), dtype=np.uint8)


def encode(image: Image, quality: int) -> bytes:
    """The picture as JPEG.

    Raises:
        RuntimeError: OpenCV could not encode it.
    """
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG")
    return data.tobytes()


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """What a crawler sometimes leaves in place of a JPEG: nothing, a part of it, an error page."""
    kind = int(rng.random() * 3)
    if kind == 0:
        return b""
    if kind == 1:
        return data[: int(len(data) * rng.uniform(0.02, 0.7))]
    return b"<html><body>403 Forbidden</body></html>\n"
