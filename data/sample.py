"""The sample world: a feed of posts made up from a seed, with the truth beside it.

    stylecast sample --out runs/sample/world                      # 20,000 posts, 30,000 pictures
    stylecast sample --out runs/small/world --posts 500 --days 400  # a second
    stylecast sample --out runs/large/world --posts 1000000         # 1.5 million pictures, 7 GB

A post is written as soon as it is drawn: the million took 14 minutes of one core and 91 MB of memory.

Pictures, texts, engagement and shares all follow from styles that are known (`truth/styles.csv`), so that every
stage can be scored. `truth/oracle.json` tells how much of the future anybody could know. The folder appears
whole or not at all; `sample.json` is written last.

    posts.csv             the feed: post_id, time, title, content, tags, images, likes, collects, comments, author_id
    images/               JPEG pictures, some near-empty, some corrupt
    truth/posts.csv       post_id, style
    truth/pictures.csv    path, post_id, style, kind (whole, near-empty, corrupt)
    truth/shares.csv      date, style, expected_share (the oracle's), drawn_share (noise included)
    truth/styles.csv      what each style looks like, its words, birth, death and dynamics
    truth/oracle.json     errors of forecasts two months ahead: oracles, and the last value repeated
    sample.json           config and counts, rows that are bad on purpose among them
"""

import csv
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from data.sample_chunks import CHUNK, World, draw_chunks, plan_of
from data.sample_dynamics import Floats
from data.sample_oracle import knowable
from data.sample_posts import MOST_PICTURES, Plan
from data.sample_styles import largest_world
from stylecast.config import difference, to_dict
from stylecast.errors import UserError
from stylecast.logs import progress

log = logging.getLogger(__name__)

FORMAT = 1
"""Raised when the same config begins to give another world."""
SEAL = "sample.json"
POST_COLUMNS = (
    "post_id", "time", "title", "content", "tags", "images", "likes", "collects", "comments", "author_id",
)  # fmt: skip


@dataclass(frozen=True)
class SampleConfig:
    """How large the sample world is."""

    out: Path = Path("runs/sample/world")
    """Folder to write."""
    posts: int = 20_000
    """Number of posts, 500 to 1,000,000."""
    styles: int = 24
    """Number of styles, at least 2; the first 24 are named by hand."""
    days: int = 1095
    """Number of days that the feed covers, 28 to 3650."""
    start: str = "2021-01-01"
    """First day, YYYY-MM-DD."""
    picture_size: int = 96
    """Side of a picture, pixels, 32 to 512."""
    pictures_per_post: float = 1.5
    """Mean number of pictures a post, 1 to 6."""
    seed: int = 0
    """Seed of everything; the same seed gives the same bytes, whatever the number of workers."""
    workers: int = 2
    """Processes that draw."""


def world_of(config: SampleConfig) -> World:
    """What the plan of a sample world is made from."""
    return World(
        posts=config.posts,
        styles=config.styles,
        days=config.days,
        start=config.start,
        pictures=config.pictures_per_post,
        size=config.picture_size,
        seed=config.seed,
    )


def _check(config: SampleConfig) -> None:
    ranges: dict[str, tuple[float, float, float]] = {
        "posts": (config.posts, 500, 1_000_000),
        "styles": (config.styles, 2, largest_world()),
        "days": (config.days, 28, 3650),
        "picture-size": (config.picture_size, 32, 512),
        "pictures-per-post": (config.pictures_per_post, 1, MOST_PICTURES),
        "seed": (config.seed, 0, 2**32 - 1),
        "workers": (config.workers, 1, 256),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise UserError(f"--{name} {value}: choose a value from {low} to {high}")
    try:
        first = date.fromisoformat(config.start)
    except ValueError as error:
        raise UserError(f"--start {config.start}: not a day; write it as 2021-01-01") from error
    if first + timedelta(days=config.days - 1) > date.today():
        raise UserError(
            f"--start {config.start} --days {config.days}: would end in the future; start earlier or take fewer days"
        )


def _identity(config: SampleConfig) -> dict[str, Any]:
    return {key: value for key, value in to_dict(config).items() if key not in ("out", "workers")}


def _is_there(config: SampleConfig) -> bool:
    """Whether this very world lies at its place already.

    Raises:
        UserError: what lies there is not a sample world.
    """
    out = config.out
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    try:
        found = json.loads((out / SEAL).read_text(encoding="utf-8"))
        told, version = dict(found["config"]), found["sample_world_format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{out}: exists and is not a sample world; choose another --out, or remove it") from error
    changes = difference(told, _identity(config))
    if version == FORMAT and not changes:
        return True
    log.info("%s: replacing a sample world (%s)", out, "; ".join(changes) or "older format")
    return False


@contextmanager
def _whole_or_nothing(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into, which takes its place at the end, or vanishes."""
    partial = out.parent / f".{out.name}.partial"
    if partial.exists():
        log.info("%s: removing what a stopped run left", partial)
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial)
        raise
    replaced = out.parent / f".{out.name}.replaced"
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        os.replace(out, replaced)
    os.replace(partial, out)
    shutil.rmtree(replaced, ignore_errors=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_feed(config: SampleConfig, world: World, folder: Path) -> tuple[Counter[str], Floats]:
    """posts.csv, the pictures and their truth. Returns what was counted, and posts of each style and day, S×T."""
    counts: Counter[str] = Counter()
    count_ST = np.zeros((world.styles, world.days))
    with (
        open(folder / "posts.csv", "w", encoding="utf-8", newline="") as posts,
        open(folder / "truth" / "posts.csv", "w", encoding="utf-8", newline="") as truth_posts,
        open(folder / "truth" / "pictures.csv", "w", encoding="utf-8", newline="") as truth_pictures,
    ):
        posts.write(",".join(POST_COLUMNS) + "\n")
        truth_posts.write("post_id,style\n")
        truth_pictures.write("path,post_id,style,kind\n")
        chunks = draw_chunks(world, folder, config.workers)
        total = -(-world.posts // CHUNK)
        for chunk in progress(chunks, f"drawing posts, {CHUNK} at a time", total=total, unit="chunk"):
            posts.write(chunk.posts)
            truth_posts.write(chunk.truth_posts)
            truth_pictures.write(chunk.truth_pictures)
            np.add.at(count_ST, (chunk.style_N, chunk.day_N), 1)
            counts.update(chunk.counts)
    return counts, count_ST


def _write_truth(plan: Plan, folder: Path) -> None:
    """truth/styles.csv and truth/shares.csv."""
    process, days = plan.process, [str(day) for day in plan.process.days_T]
    columns = ("style", "name", "garment", "palette", "pattern", "cut", "born", "died", "dynamics",
               "lead_days", "words", "query")  # fmt: skip
    with open(folder / "styles.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for s, style in enumerate(plan.styles):
            born, died = int(process.born_S[s]), int(process.died_S[s])
            writer.writerow((
                style.style, style.name, style.garment, style.palette, style.pattern, style.cut,
                days[born], days[died] if died < len(days) else "", style.dynamics, int(process.lead_S[s]),
                " ".join(style.words), style.query,
            ))  # fmt: skip
    with open(folder / "shares.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("date", "style", "expected_share", "drawn_share"))
        for t, day in enumerate(days):
            for s, style in enumerate(plan.styles):
                shares = process.expected_ST[s, t], process.share_ST[s, t]
                writer.writerow((day, style.style, *(f"{share:.9f}" for share in shares)))


def main(config: SampleConfig) -> Path:
    """Write the sample world, or leave it where the same one lies already.

    Returns:
        The folder.

    Raises:
        UserError: a setting is out of range, or the folder holds something else.
    """
    _check(config)
    if _is_there(config):
        log.info("%s: the same sample world lies there already, kept", config.out)
        return config.out
    world = world_of(config)
    plan = plan_of(world)
    with _whole_or_nothing(config.out) as folder:
        (folder / "truth").mkdir()
        counts, count_ST = _write_feed(config, world, folder)
        _write_truth(plan, folder / "truth")
        oracle = knowable(plan.process, count_ST)
        _write_json(folder / "truth" / "oracle.json", oracle)
        told = {"posts": config.posts, **dict(sorted(counts.items()))}
        told["pictures"] = sum(counts[f"{kind} pictures"] for kind in ("whole", "near-empty", "corrupt"))
        _write_json(folder / SEAL, {"sample_world_format": FORMAT, "config": _identity(config), "counts": told})
    log.info("%s: %d posts, %d pictures of %d styles", config.out, config.posts, told["pictures"], config.styles)
    return config.out
