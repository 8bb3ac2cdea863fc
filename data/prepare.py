"""Stage `prepare`: a table of posts in, validated posts and pictures out.

Laptop:   stylecast prepare POSTS.csv --out runs/prepare
          (20,000 posts with 30,000 pictures of 96 px: about 30 s on 2 cores)
"""

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tyro

from data.lexicon import Lexicon
from data.parallel import in_parallel
from data.posts import rename_columns, validate
from data.prepare_pictures import PictureSettings, read_pictures
from data.prepare_text import AddWords, TextSettings, find_post, told_steps
from data.sentiment import SentimentSettings, add_sentiment
from data.tables import read_table
from data.values import parse_day
from stylecast.errors import UserError
from stylecast.runs import Run, open_run

log = logging.getLogger(__name__)
ROWS = 1000  # posts that a worker takes at a time


@dataclass(frozen=True, kw_only=True)
class PrepareSettings(SentimentSettings, TextSettings, PictureSettings):
    """How posts are read."""

    numeric: tuple[str, ...] = ()
    """Further columns that hold numbers, such as the author's followers."""
    rename: tuple[str, ...] = ()
    """Columns with other names, as OURS=THEIRS, for example likes=赞."""
    encoding: str = "utf-8"
    """Encoding of a text table."""
    sample: int = 0
    """Take this many posts, chosen by a hash of their id, posts; 0 = all."""
    now: str = ""
    """Refuse posts later than this day (YYYY-MM-DD); by default today."""


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(PrepareSettings):
    """Read and validate posts, clean their text, decode their pictures."""

    posts: tyro.conf.Positional[Path]
    """Table of posts: .csv, .tsv, .jsonl (each may end in .gz) or .parquet. Columns, all optional: post_id,
    time, title, content, tags, images (paths separated by `;`), likes, collects, comments, author_id, split."""
    out: Path = Path("runs/prepare")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""
    explain: str = ""
    """Print the text of the post with this id after each step of its cleaning, and write nothing."""


def _chosen(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """A sample that depends on the ids alone, not on the order of the rows."""
    if not count or len(table) <= count:
        return table
    order = table["post_id"].map(lambda i: hashlib.sha256(i.encode()).hexdigest())
    return table.loc[order.sort_values().index[:count]]


def _refuse_empty(table: pd.DataFrame, pictures: pd.DataFrame) -> pd.DataFrame:
    """Posts that are left with neither picture nor text, as rejected rows."""
    lost = table[~table["post_id"].isin(pictures["post_id"]) & (table["sentence"] == "") & (table["hashtags"] == "")]
    return pd.DataFrame(
        {"line": lost["line"], "post_id": lost["post_id"], "column": "", "value": "",
         "reason": "neither text nor a picture that can be used"}
    )  # fmt: skip


def _read(config: PrepareConfig) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Rows that can be used, the others with their reason, and how many there are."""
    table, unread = read_table(config.posts, config.encoding)
    total = len(table) + len(unread)
    table = rename_columns(table, config.rename, config.posts)
    now = parse_day(config.now, "--now") or pd.Timestamp.now()
    now = now.normalize() + pd.Timedelta(days=1) - pd.Timedelta(nanoseconds=1)
    table, rejected = validate(table, config.numeric, now, config.posts)
    return table, pd.concat([unread, rejected]), total


def _prepare(config: PrepareConfig, root: Path, run: Run, lexicon: Lexicon, known: Collection[str]) -> None:
    table, rejected, total = _read(config)
    if known:
        again = table["post_id"].isin(known)
        table, run.metrics["known"] = table[~again], int(again.sum())
        if table.empty and again.any():
            raise UserError(f"{config.posts}: no new post in it: {again.sum()} of {total} rows are known already")
    if table.empty:
        raise UserError(f"{config.posts}: no row of {total} can be used; first reason: {_first_reason(rejected)}")
    table = _chosen(table, config.sample)
    keys = ["time", "post_id"] if "time" in table else ["post_id"]
    table = table.sort_values(keys, kind="stable").reset_index(drop=True)
    parts = [table.iloc[i : i + ROWS] for i in range(0, len(table), ROWS)]
    # Starting a worker costs two seconds, which only long tables earn back.
    workers = config.workers if len(table) > 5 * ROWS else 1
    table = pd.concat(in_parallel(AddWords(config, lexicon), parts, workers, "texts"), ignore_index=True)
    lexicon.save(run.folder)
    table, unheard = add_sentiment(table, config, config.encoding)
    if len(unheard):
        unheard.to_csv(run.folder / "rejected_comments.csv", index=False)
    pictures, unusable = read_pictures(table, config, root, run)
    empty = _refuse_empty(table, pictures)
    table = table[~table["post_id"].isin(empty["post_id"])]
    rejected = pd.concat([rejected, unusable, empty]).sort_values("line", kind="stable")
    rejected[["line", "post_id", "column", "value", "reason"]].to_csv(run.folder / "rejected.csv", index=False)
    table.drop(columns=["images"], errors="ignore").to_parquet(run.folder / "posts.parquet", index=False)
    pictures.to_parquet(run.folder / "pictures.parquet", index=False)
    run.metrics |= {"rows": total, "posts": len(table), "pictures": len(pictures), "rejected": len(rejected)}
    log.info("%d posts with %d pictures out of %d rows", len(table), len(pictures), total)
    if len(rejected):
        counts = rejected["reason"].str.replace(r"[,(:].*", "", regex=True).value_counts()
        told = ", ".join(f"{count} × {reason.strip()}" for reason, count in counts.items())
        log.info("%d rejections, each with its line in rejected.csv: %s", len(rejected), told)


def _first_reason(rejected: pd.DataFrame) -> str:
    if rejected.empty:
        return "the table has no rows"
    row = rejected.iloc[0]
    return f"line {row['line']}: {row['reason']}"


def main(config: PrepareConfig, lexicon: Lexicon | None = None, known: Collection[str] = ()) -> Path:
    """Run the stage.

    Args:
        config: settings.
        lexicon: the words to cut by, of an earlier run; None = those of the settings' files.
        known: ids of posts that an earlier run has; their rows are left out, and counted in the metrics.

    Returns:
        The run folder: `posts.parquet`, `pictures.parquet`, `images.npy`, `duplicates.csv`, `rejected.csv`,
        `lexicon.json`; with clothes also `masks.npy`, `garment.csv`, `garment_curve.csv` and its figure.

    Raises:
        UserError: the table cannot be read, or no row of it can be used.
    """
    if config.sample < 0:
        raise UserError("--sample must be 0 or more")
    config.check_pictures()
    config.check_text()
    config.check_sentiment()
    root = config.image_root or config.posts.parent
    if not root.is_dir():
        raise UserError(f"--image-root {root}: no such folder")
    inputs = {"posts": config.posts} | config.picture_files()
    inputs |= config.text_files() | config.sentiment_files()
    with open_run(config.out, "prepare", config, inputs, force=config.force) as run:
        if run is not None:
            _prepare(config, root, run, lexicon or config.lexicon(), known)
    return config.out


def explain(config: PrepareConfig) -> str:
    """The steps of one post's text, to print; nothing is written.

    Raises:
        UserError: the table cannot be read, or has no such post.
    """
    config.check_text()
    table, rejected, _ = _read(config)
    return told_steps(find_post(table, rejected, config.explain, config.posts), config.cleaner(config.lexicon()))


def command(config: PrepareConfig) -> Path | str:
    """What `stylecast prepare` does: run the stage, or with `--explain` tell about one post."""
    return explain(config) if config.explain else main(config)
