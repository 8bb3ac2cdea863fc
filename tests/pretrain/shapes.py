"""A feed of coloured shapes whose texts name them: the smallest world in which pictures and words can meet."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from data.prepare import PrepareConfig
from data.prepare import main as prepare

COLOURS = {"红色": (220, 30, 30), "绿色": (30, 180, 30), "蓝色": (40, 60, 230)}
SHAPES = ("圆形", "方块")
NOISE = ("今天", "天气", "咖啡", "周末", "公园", "电影")


def draw(colour: tuple[int, int, int], shape: str, rng: np.random.Generator) -> np.ndarray:
    """One shape on a grey ground; uint8 24×24×3 RGB."""
    picture = np.full((24, 24, 3), rng.integers(90, 170), np.uint8)
    x, y = (int(v) for v in rng.integers(9, 15, 2))
    if shape == "圆形":
        cv2.circle(picture, (x, y), 7, colour, -1)
    else:
        cv2.rectangle(picture, (x - 6, y - 6), (x + 6, y + 6), colour, -1)
    return np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def shapes_feed(folder: Path, posts: int = 300, late_words: tuple[str, ...] | None = None) -> Path:
    """Write posts.csv and its pictures; the last tenth of the posts is dated 2024-03-01 or later.

    Args:
        folder: where.
        posts: how many; every twentieth has no text.
        late_words: what the late posts say and show instead.
    """
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(posts):
        rng = np.random.default_rng([7, number])
        colour, shape = str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES))
        late = number >= posts * 9 // 10
        words = [colour, shape, *rng.choice(NOISE, 2, replace=False)]
        picture = draw(COLOURS[colour], shape, rng)
        if late and late_words:
            words, picture = list(late_words), 255 - picture
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture[:, :, ::-1])
        day = pd.Timestamp("2024-03-01") if late else pd.Timestamp("2024-01-01") + pd.Timedelta(days=number % 50)
        title, tags = ("", "") if number % 20 == 0 else (" ".join(words[2:]), f"#{words[0]} #{words[1]}")
        rows.append(
            {
                "post_id": f"p{number:03d}",
                "time": day.date(),
                "title": title,
                "tags": tags,
                "images": f"images/{number}.png",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "posts.csv", index=False)
    return folder / "posts.csv"


def shapes_posts(folder: Path, late_words: tuple[str, ...] | None = None) -> Path:
    """A run folder of `prepare` made from the feed."""
    feed = shapes_feed(folder / "feed", late_words=late_words)
    return prepare(PrepareConfig(posts=feed, out=folder / "prepare", picture_size=24, workers=1, now="2024-06-01"))
