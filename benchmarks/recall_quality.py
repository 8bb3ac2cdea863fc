"""How well matching works against what people train: dual encoders on the same backbone, data and budget.

    python benchmarks/recall_quality.py --data ../shared/data --out runs/recall_quality
    python benchmarks/recall_quality.py --sets sample --seeds 3

Each contender sees the same number of pictures, those of the pretraining and of mined negatives counted, in batches
of the same size, and is stopped by the same validation pictures. Told is what it does on test pictures that nothing
was fitted or chosen on: NDCG@5 in pools of 30, and recall@10, the share of a query's relevant pictures (ten at most)
among the first ten of the whole test gallery; median over seeds, least and most. Time is that of the whole
training as a ratio to InfoNCE in the same run, by the clock and of the processor (the steadier one where other jobs
run); ours counts pretraining, embedding and indexing. Dual encoders learn by AdamW, as people train them, and InfoNCE
once more by the optimiser of our recipe, so that what the optimiser brings is told apart.

emoji: pictures and Chinese keywords, split by leading code point. clothing: photos, the class word is the text,
official splits. sample: the sample world, split by date.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import tyro
from dual_encoders import CaptionBatches, DualTask, Kind, TextTower
from matching_sets import CUT_OFF, TABLES

from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from data.splits import parse_cut_off
from pretrain.encoder import EncoderConfig, build_encoder
from pretrain.examples import divide, encode_words
from pretrain.pictures import AugmentConfig, PixelPictures, embed
from pretrain.task import usable_posts
from pretrain.train import PretrainConfig
from pretrain.train import main as pretrain
from pretrain.vocabulary import Vocabulary
from recall.gallery import Gallery, build_gallery
from recall.matcher import Matcher
from recall.metrics import ndcg, ranked_relevance
from recall.negatives import NegativesConfig
from recall.train import RecallConfig
from recall.train import main as recall
from stylecast.cli import guarded
from stylecast.logs import set_up_logging
from stylecast.loop import LoopConfig, train
from stylecast.precision import Precision
from stylecast.world import open_world

Scores = dict[str, np.ndarray]
USUAL = NegativesConfig()
BY_CLUSTER = NegativesConfig(shared_word=0.15, last_word=0.1, cluster=0.5, random=0.25)
AT_RANDOM = NegativesConfig(shared_word=0.0, last_word=0.0, random=1.0)


@dataclass(frozen=True)
class BenchmarkConfig:
    """Matching against dual encoders on the same budget."""

    data: Path = Path("data")
    """Folder that holds emoji/ and clothing/."""
    sets: tuple[str, ...] = ("emoji", "clothing", "sample")
    """Which sets."""
    contenders: tuple[str, ...] = ("infonce", "sigmoid", "infonce, our optimiser", "ours", "ours, no pretraining")
    """Which contenders; infonce must be there for the ratios. There are two more, that tell what hard negatives bring:
    `ours, negatives by cluster` (half of them) and `ours, random negatives`."""
    seeds: int = 3
    """How many seeds, of weights, order and augmentation."""
    pictures: int = 180_000
    """Pictures that each contender sees in training, pictures."""
    batch: int = 128
    """Pictures a step, pictures."""
    pretrain_share: float = 0.4
    """Share of the pictures that ours spends on pretraining."""
    lr: float = 1e-3
    """Peak learning rate of the dual encoders, which learn by AdamW; ours learns as its recipe says."""
    precision: Precision = "auto"
    """What numbers are multiplied, for all contenders alike; a change wants another `out`."""
    out: Path = Path("runs/recall_quality")
    """Folder for prepared data and for results.csv: what stands there is not made again."""


@dataclass(frozen=True)
class Trial:
    """One set of data, ready for every contender."""

    name: str
    folder: Path
    """Run folder of `prepare`."""
    posts: Posts
    config: BenchmarkConfig

    def pretraining(self, share: float, seed: int, out: Path) -> PretrainConfig:
        """Pretraining for a share of the pictures; next to nothing (two steps) where the share is 0."""
        return PretrainConfig(
            posts=self.folder, out=out, cut_off=CUT_OFF.get(self.name, ""),
            loop=self.loop(PretrainConfig().loop, share, seed, 1), caption_samples=0,
        )  # fmt: skip

    def loop(self, learns: LoopConfig, share: float, seed: int, pictures_a_row: int) -> LoopConfig:
        """As many steps as this share of the pictures allows, validated eight times, or once an epoch."""
        steps = max(2, round(share * self.config.pictures / self.config.batch))
        return replace(learns, epochs=8, min_steps=steps, max_steps=steps, seed=seed, precision=self.config.precision,
                       batch_size=self.config.batch // pictures_a_row)  # fmt: skip

    def gallery(self, vocabulary: Vocabulary, part: str) -> tuple[Gallery, np.ndarray]:
        """Held-out queries and pictures, and the words of the queries; the same for every contender and seed."""
        division = divide(self.posts, parse_cut_off(CUT_OFF.get(self.name, "")), 0)
        words_PW = encode_words(self.posts.table, vocabulary, 24).words_PW
        gallery = build_gallery(
            self.posts.table, division, part, usable_posts(words_PW), queries=1000, pictures=2000, pool=30
        )
        return gallery, words_PW[gallery.posts_Q]


def ours(trial: Trial, seed: int, share: float, negatives: NegativesConfig = USUAL) -> tuple[Scores, Gallery]:
    """Pretraining for a share of the pictures, both matchers for the rest."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        before = pretrain(trial.pretraining(share, seed, out / "pretrain"))
        loop = trial.loop(RecallConfig().loop, 1 - share, seed, 2)  # each pair brings a mined negative along
        config = RecallConfig(posts=trial.folder, pretrain=before, out=out / "recall", loop=loop, negatives=negatives)
        run = recall(config)
        models = Matcher.from_pretrained(run)
    gallery, words_QW = trial.gallery(models.vocabulary, "later")
    pictures = PixelPictures(trial.posts.images, AugmentConfig())
    return models.score_posts(words_QW, embed(models.encoder, pictures, gallery.rows_N, torch.device("cpu"))), gallery


def dual(trial: Trial, seed: int, kind: Kind, learns: LoopConfig) -> tuple[Scores, Gallery]:
    """A dual encoder for all of the pictures."""
    division = divide(trial.posts, parse_cut_off(CUT_OFF.get(trial.name, "")), 0)
    loop = trial.loop(learns, 1.0, seed, 1)
    texts = [text.split() for text in trial.posts.table["words"]]
    early = [words for words, part in zip(texts, division.split_P, strict=True) if part == "train"]
    vocabulary = Vocabulary.build(early, PretrainConfig().vocabulary)
    words_PW = encode_words(trial.posts.table, vocabulary, 24).words_PW
    pictures = PixelPictures(trial.posts.images, AugmentConfig())
    rows = division.pictures("train", usable_posts(words_PW))
    torch.manual_seed(seed)
    encoder = build_encoder(EncoderConfig())
    valid, valid_QW = trial.gallery(vocabulary, "valid")
    task = DualTask(encoder, TextTower(len(vocabulary), encoder.dim, 24), kind, pictures, valid, valid_QW)
    batches = CaptionBatches(pictures, rows, division.post_N, words_PW)
    with tempfile.TemporaryDirectory() as name, open_world() as world:
        train(task, batches, loop, world, Path(name), monitor="ndcg@5", mode="max")
    task.eval()
    gallery, words_QW = trial.gallery(vocabulary, "later")
    return {kind: task.scores(gallery, words_QW)}, gallery


CONTENDERS: dict[str, Callable[[Trial, int], tuple[Scores, Gallery]]] = {
    "infonce": lambda trial, seed: dual(trial, seed, "infonce", LoopConfig(lr=trial.config.lr)),
    "sigmoid": lambda trial, seed: dual(trial, seed, "sigmoid", LoopConfig(lr=trial.config.lr)),
    "infonce, our optimiser": lambda trial, seed: dual(trial, seed, "infonce", RecallConfig().loop),
    "ours": lambda trial, seed: ours(trial, seed, trial.config.pretrain_share),
    "ours, no pretraining": lambda trial, seed: ours(trial, seed, 0.0),
    "ours, negatives by cluster": lambda trial, seed: ours(trial, seed, trial.config.pretrain_share, BY_CLUSTER),
    "ours, random negatives": lambda trial, seed: ours(trial, seed, trial.config.pretrain_share, AT_RANDOM),
}


def measured(scores_QN: np.ndarray, gallery: Gallery) -> dict[str, float]:
    """NDCG@5 in the pools; recall@10 in the gallery, at most ten relevant pictures counted."""
    pooled = np.take_along_axis(scores_QN, gallery.pool_QK, axis=1)
    relevant = np.take_along_axis(gallery.relevant_QN, gallery.pool_QK, axis=1)
    found_Q = ranked_relevance(scores_QN, gallery.relevant_QN, 10).sum(axis=1)
    return {
        "ndcg@5": float(ndcg(pooled, relevant).mean()),
        "recall@10": float((found_Q / np.minimum(gallery.relevant_QN.sum(axis=1), 10)).mean()),
    }


def ready(config: BenchmarkConfig, name: str) -> Trial:
    """One set, prepared once."""
    folder = config.out / name
    if not (folder / "prepare" / "manifest.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        table, root = TABLES[name](config.data, folder)
        prepare(PrepareConfig(posts=table, image_root=root, out=folder / "prepare", workers=1))
    return Trial(name, folder / "prepare", Posts.load(folder / "prepare"), config)


def results_of(config: BenchmarkConfig) -> pd.DataFrame:
    """Every contender with every seed, seeds outermost, so that a busy hour hurts all alike; each kept as it ends."""
    path = config.out / "results.csv"
    results = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["set", "contender", "seed", "pictures"])
    for name, seed in product(config.sets, range(config.seeds)):
        trial = ready(config, name)
        for contender in config.contenders:
            one = {"set": name, "contender": contender, "seed": seed, "pictures": config.pictures}
            if (results[list(one)] == pd.Series(one)).all(axis=1).any():
                continue
            clock, spent = time.perf_counter(), time.process_time()
            scores, gallery = CONTENDERS[contender](trial, seed)
            took = {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - spent}
            told = {m: contender if len(scores) == 1 else f"{contender}: {m}" for m in scores}
            rows = [one | {"told": told[m]} | took | measured(scores_QN, gallery) for m, scores_QN in scores.items()]
            results = pd.concat([results, pd.DataFrame(rows)] if len(results) else [pd.DataFrame(rows)])
            results.to_csv(path, index=False)
    asked = results["set"].isin(config.sets) & (results["pictures"] == config.pictures)
    return results[asked & results["contender"].isin(config.contenders) & (results["seed"] < config.seeds)]


def table_of(results: pd.DataFrame) -> str:
    """Median (least to most) over seeds; gain against the better dual encoder, seed by seed."""
    lines = []
    for name, part in results.groupby("set", sort=False):
        duals = part[part["contender"].isin(["infonce", "sigmoid"])]
        medians = duals.groupby("contender")[["ndcg@5", "recall@10"]].median()
        first = part[part["contender"] == "infonce"].set_index("seed")[["seconds", "cpu_seconds"]]
        lines.append(str(name))
        lines.append(f"  {'':<30} {'NDCG@5':>19} {'gain':>7} {'recall@10':>19} {'gain':>7} {'time':>6} {'CPU':>6}")
        for told, own in part.groupby("told", sort=False):
            line = f"  {told:<30}"
            for metric in ("ndcg@5", "recall@10"):
                low, middle, high = own[metric].quantile([0, 0.5, 1])
                line += f" {middle:.3f} ({low:.3f}-{high:.3f}) {middle / medians[metric].max():>7.3f}"
            for clock in ("seconds", "cpu_seconds"):
                line += f" {(own.set_index('seed')[clock] / first[clock]).median():>6.2f}"
            lines.append(line)
    return "\n".join(lines)


def main(config: BenchmarkConfig) -> str:
    """Run and tell; every single result is in results.csv, and what stands there is not run again."""
    set_up_logging(-1, is_main=True)
    config.out.mkdir(parents=True, exist_ok=True)
    return table_of(results_of(config))


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(tyro.cli(BenchmarkConfig)), verbose=True))
