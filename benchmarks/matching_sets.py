"""The sets that matching is measured on, as tables with a split or a cut-off."""

import hashlib
from pathlib import Path

import pandas as pd

from data.sample import SampleConfig
from data.sample import main as sample


def _hashed_split(name: str) -> str:
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2.0**64
    return "test" if draw < 0.2 else "valid" if draw < 0.3 else "train"


def emoji_table(data: Path, folder: Path) -> tuple[Path, Path]:
    """A table of the emoji, split by leading code point, and the folder of its pictures."""
    table = pd.read_csv(data / "emoji" / "pairs.csv", dtype=str)
    table["split"] = table["image"].str.extract(r"images/([0-9a-f]+)")[0].map(_hashed_split)
    table.to_csv(folder / "emoji.csv", index=False)
    return folder / "emoji.csv", data / "emoji"


def clothing_table(data: Path, folder: Path) -> tuple[Path, Path]:
    """A table of the photos of clothes with their class word, and the folder of its pictures."""
    table = pd.read_csv(data / "clothing" / "images.csv", dtype=str).rename(columns={"label": "title"})
    table.to_csv(folder / "clothing.csv", index=False)
    return folder / "clothing.csv", data / "clothing"


def sample_table(data: Path, folder: Path) -> tuple[Path, Path]:
    """The sample world of 6,000 posts, the last quarter of its days for the test; no data are needed."""
    world = sample(SampleConfig(out=folder / "world", posts=6000, workers=1))
    return world / "posts.csv", world


TABLES = {"emoji": emoji_table, "clothing": clothing_table, "sample": sample_table}
CUT_OFF = {"sample": "2023-04-01"}
