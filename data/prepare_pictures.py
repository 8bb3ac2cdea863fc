"""The pictures of a table of posts: listed, decoded into one array.

Shapes: N pictures, S×S pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.parallel import in_parallel
from data.pictures import Decoded, decode_all

ROWS = 1000  # pictures that a worker takes at a time


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How the pictures of posts are read."""

    image_root: Path | None = None
    """Folder that the picture paths start from; by default the table's own. No path may leave it."""
    picture_size: int = 64
    """Side to which pictures are resized, pixels; proportions are kept, the rest is white."""
    min_contrast: float = 2.0
    """A picture whose grey levels (0..255) spread less than this is empty and left out."""
    workers: int = 2
    """Processes that clean text and decode pictures."""


class _Decode:
    """A picklable call of `decode_all`."""

    def __init__(self, config: PictureSettings, root: Path) -> None:
        self.arguments = (root, config.picture_size, config.min_contrast)

    def __call__(self, paths: list[str]) -> list[Decoded]:
        return decode_all(paths, *self.arguments)


def list_pictures(table: pd.DataFrame) -> pd.DataFrame:
    """One row a path of the posts' `images`: line, post_id, path, picture_id, in the order of the posts."""
    paths = table["images"].str.split(";") if "images" in table else pd.Series([[]] * len(table), index=table.index)
    rows = table[["line", "post_id"]].assign(path=paths).explode("path").dropna(subset=["path"])
    rows["path"] = rows["path"].astype(str).str.strip()
    rows = rows[rows["path"] != ""].reset_index(drop=True)
    number = rows.groupby("post_id").cumcount().astype(str)
    return rows.assign(picture_id=rows["post_id"] + "/" + number)


def write_pictures(rows: pd.DataFrame, config: PictureSettings, root: Path, folder: Path) -> pd.DataFrame:
    """Decode into `images.npy`; add `reason` and `family` to the rows."""
    size = config.picture_size
    parts = [rows["path"].iloc[i : i + ROWS].tolist() for i in range(0, len(rows), ROWS)]
    reasons: list[str] = []
    families: list[int] = []
    raw = folder / "images.raw"
    with open(raw, "wb") as file:
        for part in in_parallel(_Decode(config, root), parts, config.workers, "pictures"):
            for picture in part:
                reasons.append(picture.reason)
                families.append(picture.family)
                if picture.image is not None:
                    file.write(picture.image.tobytes())
    count = sum(reason == "" for reason in reasons)
    shape = (count, size, size, 3)
    if count:
        images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        source = np.memmap(raw, np.uint8, "r", shape=shape)
        for start in range(0, count, ROWS):
            images[start : start + ROWS] = source[start : start + ROWS]
        images.flush()
    else:
        np.save(folder / "images.npy", np.zeros(shape, np.uint8))
    raw.unlink()
    return rows.assign(reason=reasons, family=np.array(families, np.int64))
