"""Stage `single-shot`: which posts become hot, from the post alone.

Laptop:   python -m rank.single_shot --posts runs/prepare --recall runs/recall --out runs/single-shot
          (20,000 posts: about 30 s on one core)
Many:     torchrun --nproc-per-node 4 -m rank.single_shot --posts runs/prepare --recall runs/recall

A post is hot when its engagement is in the top part of its month, by bars that training posts set. It learns from the
posts before the cut-off, stops and chooses on the first half of those after it, and is judged on the second half.
"""

import logging
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.posts import Posts
from data.splits import parse_cut_off
from rank.bags import Vectors
from rank.modalities import MODALITIES, Modality, picture_vectors, stored_vectors
from rank.post_alike import Memory
from rank.post_inputs import PostInputs, bars, daily_record, engagement, mean_of_pictures, of_posts, past, read_numbers
from rank.post_net import PostExamples, PostNetConfig, PostScaler, PostTask, SingleShot, new_net
from rank.post_table import judge, table_text
from rank.separate import DIMENSIONS, MIN_COUNT
from recall.text_vectors import TextVectors
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.files import write_csv, write_whole
from stylecast.loop import train
from stylecast.runs import Run, load_manifest, open_run
from stylecast.world import World, open_world

log = logging.getLogger(__name__)

RECORD, TABLE, TEXT = "record.parquet", "table.txt", "text"
FEWEST = 30
"""Posts that training, validation and test each need."""


@dataclass(frozen=True, kw_only=True)
class SingleShotConfig:
    """Learn which posts become hot, from what is known when a post is written."""

    posts: Path = Path("runs/prepare")
    """Run folder of `prepare`."""
    recall: Path | None = None
    """Run folder of `recall`: vectors of pictures and texts; without it texts are read by word vectors alone."""
    garment: Path | None = None
    """Run folder of a `recall --view garment` on the same posts: a second picture side."""
    styles: Path | None = None
    """Run folder of `styles`, for one more floor: the style's past mean."""
    modalities: tuple[Modality, ...] = ()
    """Any of picture, garment, text and numbers (hour, weekday, the author's record and that of posts that look
    or read alike, --numbers); by default all."""
    numbers: tuple[str, ...] = ()
    """Columns of numbers known when a post is written, taken along by `stylecast prepare --numeric`, such as the
    author's followers."""
    hot_part: float = 0.2
    """Part of a month's posts, by engagement, that counts as hot, 0 to 1."""
    cut_off: str = ""
    """First day (YYYY-MM-DD) that is not learnt from; by default that after 60% of the posts."""
    net: PostNetConfig = field(default_factory=PostNetConfig)
    """The network."""
    out: Path = Path("runs/single-shot")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


@dataclass(frozen=True)
class Labelled:
    """Posts with known engagement, which of them are for what, and what came of them."""

    posts: Posts
    engagement_N: np.ndarray
    hot_N: np.ndarray
    split_N: np.ndarray
    """`train`, `validation` or `test`."""

    def part(self, name: str) -> np.ndarray:
        """Rows of a part."""
        return np.flatnonzero(self.split_N == name)


def label(posts: Posts, part: float, cut_off: pd.Timestamp | None) -> Labelled:
    """Divides posts by time, and tells which are hot.

    Posts before the cut-off are not learnt from where a column `split` says `valid` or `test`; those of `test` are
    judged, whenever they were written.

    Raises:
        UserError: posts without time or engagement, or too few of them on a side of the cut-off.
    """
    if not posts.dated:
        raise UserError("hot posts are hot in their month: these posts have no `time`")
    known_N = np.isfinite(engagement(posts.table))
    table = posts.table[known_N].sort_values(["time", "post_id"]).reset_index(drop=True)
    posts = Posts(table, posts.pictures, posts.images)
    time_N, value_N = pd.DatetimeIndex(table["time"]), engagement(table)
    if cut_off is None and len(table):
        cut_off = time_N[int(0.6 * len(table))].normalize()
        log.info("learning from posts before %s", cut_off.date())
    early_N = np.asarray(time_N < cut_off) if len(table) else np.zeros(0, bool)
    middle = int(early_N.sum()) + (len(table) - int(early_N.sum())) // 2
    split_N = np.where(early_N, "train", np.where(np.arange(len(table)) < middle, "validation", "test"))
    if "split" in table:
        given_N = table["split"].str.strip().str.lower().replace({"valid": "validation"}).to_numpy()
        held_N = (given_N == "test") | (early_N & (given_N == "validation"))
        split_N = np.where(held_N, given_N, split_N)
    for name in ("train", "validation", "test"):
        if (count := int((split_N == name).sum())) < FEWEST:
            raise UserError(f"{count} posts with engagement for {name}: {FEWEST} are needed; give more, or --cut-off")
    hot_N = value_N > bars(value_N, time_N, split_N == "train", part)
    return Labelled(posts, value_N, hot_N, split_N)


def _modalities(config: SingleShotConfig) -> tuple[Modality, ...]:
    missing = {"picture": config.recall is None, "garment": config.garment is None}
    for name in config.modalities:
        if missing.get(name):
            flag = "--recall" if name == "picture" else "--garment"
            raise UserError(f"--modalities {name}: needs {flag}; or leave {name} out")
    return tuple(m for m in MODALITIES if m in config.modalities or (not config.modalities and not missing.get(m)))


def read_sides(posts: Posts, vectors: dict[str, Vectors]) -> dict[str, np.ndarray]:
    """Vectors of posts, N×D each: of pictures (`picture`, `garment`) by their ids, of posts (`text`) by theirs."""
    return {name: of_posts(posts, found) if name == "text" else mean_of_pictures(posts, found)
            for name, found in vectors.items()}  # fmt: skip


def build_inputs(sides: dict[str, np.ndarray], numbers: dict[str, np.ndarray], count: int) -> PostInputs:
    """The inputs of so many posts: their vectors, and numbers by name."""
    columns = np.stack(list(numbers.values()), axis=1) if numbers else np.zeros((count, 0))
    return PostInputs(tuple(numbers), columns, sides)


def _vectors(
    config: SingleShotConfig, read: tuple[Modality, ...], labelled: Labelled, folder: Path
) -> dict[str, Vectors]:
    found: dict[str, Vectors] = {}
    if config.recall is not None and "picture" in read:
        found["picture"] = picture_vectors(config.recall, "picture")
    if config.garment is not None and "garment" in read:
        found["garment"] = picture_vectors(config.garment, "garment")
    if "text" in read and config.recall is not None:
        found["text"] = stored_vectors(config.recall / TEXT)
    elif "text" in read:
        words = labelled.posts.table["words"]
        early = words.iloc[labelled.part("train")].tolist()
        model = TextVectors.fit(early, DIMENSIONS, MIN_COUNT, config.net.loop.seed)
        model.save(folder / TEXT)
        texts_ND = model.transform(words.tolist(), labelled.posts.table["key_words"].tolist())
        found["text"] = labelled.posts.table["post_id"].to_numpy(), texts_ND
    return found


def fit(inputs: PostInputs, labelled: Labelled, config: PostNetConfig, world: World, folder: Path,
        told: dict[str, Any]) -> SingleShot:  # fmt: skip
    """Trains the networks, each stopped at its best average precision on validation."""
    rows = {name: labelled.part(name) for name in ("train", "validation")}
    scaler = PostScaler.fit(inputs.numbers_NC[rows["train"]])
    examples, valid = (PostExamples(inputs.take(index), scaler, labelled.hot_N[index]) for index in rows.values())
    sides = {side: values.shape[1] for side, values in inputs.sides.items()}
    nets = []
    for number in range(config.members):
        loop = replace(config.loop, seed=config.loop.seed + number)
        task = PostTask(new_net(scaler, sides, config, loop.seed), valid)
        place = folder / f"member-{number}"
        place.mkdir(parents=True, exist_ok=True)
        found = train(task, examples, loop, world, place, monitor="average_precision", mode="max")
        log.info("network %d of %d: average precision %.3f", number + 1, config.members, found["average_precision"])
        nets.append(task.net.eval())
    return SingleShot(nets, config, scaler, inputs.names, sides, told)


def _floors(config: SingleShotConfig, labelled: Labelled, mean: float) -> dict[str, np.ndarray]:
    """What rules say of every post: nothing, its author's past mean, its style's."""
    table = labelled.posts.table
    keys = {"author's past mean": table["author_id"]} if "author_id" in table else {}
    if config.styles is not None:
        load_manifest(config.styles, "styles")
        items = pd.read_parquet(config.styles / "assignments.parquet")
        first = items[~items["emerging"]].sort_values(["post_id", "id"]).drop_duplicates("post_id")
        keys["style's past mean"] = table["post_id"].map(first.set_index("post_id")["style"])
    time_N, rules = pd.DatetimeIndex(table["time"]), {"majority (never hot)": np.zeros(len(table))}
    for name, key in keys.items():
        rules[name] = past(daily_record(key, time_N, labelled.engagement_N), key, time_N, mean)[0]
    return rules


def _learn(config: SingleShotConfig, world: World, run: Run) -> None:
    labelled = label(Posts.load(config.posts), config.hot_part, parse_cut_off(config.cut_off))
    table, read = labelled.posts.table, _modalities(config)
    time_N, mean = pd.DatetimeIndex(table["time"]), float(labelled.engagement_N[labelled.part("train")].mean())
    author = table["author_id"] if "author_id" in table else pd.Series("", index=table.index)
    record = daily_record(author, time_N, labelled.engagement_N)
    sides = read_sides(labelled.posts, _vectors(config, read, labelled, run.folder))
    surprise_N = labelled.engagement_N - mean - past(record, author, time_N, mean)[0]
    memory, numbers = Memory.of(time_N, surprise_N, sides), {}
    if "numbers" in read:
        numbers = read_numbers(labelled.posts, config.numbers, record, mean) | memory.numbers(sides, time_N)
    inputs = build_inputs(sides, numbers, len(table))
    runs = {name: load_manifest(path, "recall")["content"]
            for name, path in (("recall", config.recall), ("garment", config.garment)) if path is not None}  # fmt: skip
    told: dict[str, Any] = {"read": list(read), "numbers": list(config.numbers), "mean": mean, "runs": runs}
    model = fit(inputs, labelled, config.net, world, run.folder, told)
    if not world.is_main:
        return
    score_N = model.predict(inputs)
    scores = {"single-shot": score_N, **_floors(config, labelled, mean)}
    metrics = judge(scores, labelled.hot_N, labelled.part("validation"), labelled.part("test"))
    model.save(run.folder)
    record.to_parquet(run.folder / RECORD, index=False)
    memory.save(run.folder)
    frame = table[["post_id", "time"]].assign(
        split=labelled.split_N, engagement=labelled.engagement_N, hot=labelled.hot_N, p_hot=score_N
    )
    frame.to_parquet(run.folder / "predictions.parquet", index=False)
    write_csv(metrics, run.folder / "metrics.csv")
    starts = {name: str(time_N[labelled.part(name)[0]].date()) for name in ("train", "validation", "test")}
    write_whole(run.folder / TABLE, table_text(metrics, labelled.hot_N, labelled.split_N, starts, read) + "\n")
    last = time_N[labelled.part("train")[-1]]
    run.fitted_on["single-shot"] = {"posts": len(labelled.part("train")), "until": str(last.date())}
    run.metrics |= {"test_auc": float(metrics["auc"].iloc[0]), **{f"{k}_from": v for k, v in starts.items()}}


def main(config: SingleShotConfig) -> str:
    """Run the stage.

    Returns:
        The table, to be printed; the run folder holds the model, `predictions.parquet` (every post with known
        engagement) and `metrics.csv`.

    Raises:
        UserError: an input is missing, a number is not known when a post is written, or too few posts.
    """
    if not 0 < config.hot_part < 1:
        raise UserError(f"--hot-part {config.hot_part} is no part; give one between 0 and 1, such as 0.2")
    inputs = {name: path for name in ("posts", "recall", "garment", "styles")
              if (path := getattr(config, name)) is not None}  # fmt: skip
    seed = config.net.loop.seed
    with (
        open_world() as world,
        open_run(config.out, "single-shot", config, inputs, force=config.force, seed=seed, world=world) as run,
    ):
        if run is not None:
            _learn(config, world, run)
    return (config.out / TABLE).read_text(encoding="utf-8").rstrip("\n")


if __name__ == "__main__":
    sys.exit(run_command("single-shot", sys.argv[1:]))
