"""Augmentation by OpenCV against the slow, obvious way: pixel by pixel."""

import numpy as np
import pytest
import torch

from pretrain.pictures import AugmentConfig, augment

HEIGHT, WIDTH = 20, 28


def slowly(image: np.ndarray, zoom: float, down: float, across: float, flipped: bool) -> np.ndarray:
    made = np.empty_like(image)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            left = WIDTH - 1 - x if flipped else x
            rows = (y - (HEIGHT - 1) / 2) * zoom + (HEIGHT - 1) / 2 + down
            columns = (left - (WIDTH - 1) / 2) * zoom + (WIDTH - 1) / 2 + across
            made[y, x] = image[int(np.clip(round(rows), 0, HEIGHT - 1)), int(np.clip(round(columns), 0, WIDTH - 1))]
    return made


@pytest.mark.parametrize("seed", range(3))
def test_crop_and_flip_pixel_by_pixel(seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (12, HEIGHT, WIDTH, 3), dtype=np.uint8)
    config = AugmentConfig(shift=0.2, zoom=0.3, flip=0.5, light=0, tint=0)
    made = augment(images, np.arange(12), config, torch.Generator().manual_seed(seed))

    again = torch.Generator().manual_seed(seed)
    spread = [torch.rand(12, generator=again).numpy() * 2 - 1 for _ in range(3)]
    zoom, down, across = 1 + 0.3 * spread[0], 0.2 * HEIGHT * spread[1], 0.2 * WIDTH * spread[2]
    flipped = torch.rand(12, generator=again).numpy() < 0.5
    assert flipped.any()
    assert not flipped.all()
    told = np.stack([slowly(*drawn) for drawn in zip(images, zoom, down, across, flipped, strict=True)])
    # A source that lies halfway between two pixels may be rounded either way.
    assert (made == told).mean() > 0.995


def test_a_tint_is_of_one_colour_and_light_of_all() -> None:
    grey = np.full((40, 8, 8, 3), 60, np.uint8)
    still = {"shift": 0.0, "zoom": 0.0, "flip": 0.0}
    lit = augment(grey, np.arange(40), AugmentConfig(**still, light=0.3, tint=0.0), torch.Generator().manual_seed(0))
    assert (lit == lit[:, :1, :1, :1]).all()
    assert lit.std() > 10
    tinted = augment(grey, np.arange(40), AugmentConfig(**still, light=0.0, tint=0.2), torch.Generator().manual_seed(0))
    colours_N3 = tinted[:, 0, 0].astype(int)
    assert (tinted == tinted[:, :1, :1]).all()
    assert np.ptp(colours_N3, axis=1).mean() > 2
