"""Copies among posts that came after a run."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from recall.new_posts import later_copies


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, (120, 160), interpolation=cv2.INTER_CUBIC)


def posts_of(folder: Path, name: str, pictures: dict[str, int]) -> Posts:
    for post, seed in pictures.items():
        cv2.imwrite(str(folder / f"{post}.png"), picture(seed))
    table = pd.DataFrame({"post_id": list(pictures), "title": "a dress", "images": [f"{p}.png" for p in pictures]})
    table.to_csv(folder / f"{name}.csv", index=False)
    return Posts.load(prepare(PrepareConfig(posts=folder / f"{name}.csv", out=folder / name, workers=1)))


def test_a_copy_is_traced_to_the_run_s_own_picture_first(tmp_path: Path) -> None:
    old = posts_of(tmp_path, "old", {"a": 1, "b": 2, "c": 1})
    new = posts_of(tmp_path, "new", {"d": 2, "e": 3, "f": 3, "g": 1})
    copies = later_copies(old, new, 6, 0.98)
    assert copies.to_dict() == {"d/0": "b/0", "e/0": "", "f/0": "e/0", "g/0": "a/0"}
