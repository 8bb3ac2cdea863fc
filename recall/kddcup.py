"""Command `kddcup`: KDD Cup 2020 Multimodalities Recall, from its files to a submission.

Laptop:   stylecast kddcup-sample --out runs/files
          stylecast kddcup --recipe sample --train runs/files/train.tsv --valid runs/files/valid.tsv
              --answers runs/files/valid_answer.json --test runs/files/testB.tsv --out runs/kddcup
          (4,000 pairs, 2 × 100 pools: about 30 s on one core, NDCG@5 of the test pools 0.83)
Many:     the same with --nproc 4, or torchrun --nproc-per-node 4 -m recall.kddcup …

Each file is converted once, an encoder of boxes is pretrained, both matchers are trained, weights of their blend and a
re-ranker are fitted on the validation file, and the score that is best there ranks the candidates of the test file.
Every step is a run folder of its own: one that is up to date is skipped, one that was killed goes on.
"""

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.kddcup import SUBMITTED, Products, pools_of, write_submission
from data.kddcup_convert import convert
from data.pools import Pools, read_answers
from pretrain.kddcup import QueriesConfig, RegionPretrainConfig, pretrain_regions
from pretrain.regions import RegionConfig
from pretrain.task import check_losses
from recall.kddcup_fit import BLENDS, SCORES, TABLE, ScoreKey, write_scores
from recall.kddcup_score import ranked
from recall.kddcup_table import as_text
from recall.kddcup_train import RegionRecallConfig, train_matchers
from recall.match import check_match
from recall.matcher import RegionMatcher
from recall.rerank import RerankConfig
from recall.text_model import open_text_model
from recall.truth import Truth
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.runs import MANIFEST, open_run
from stylecast.world import World, barrier, open_world

log = logging.getLogger(__name__)
DAY = 24 * 60.0  # minutes; the others wait while rank 0 converts 100 GB


@dataclass(frozen=True, kw_only=True)
class KddCupConfig:
    """KDD Cup 2020 Multimodalities Recall, from its files to a submission."""

    train: Path = Path("train.tsv")
    """The training file: a product and a query that found it in each row."""
    valid: Path = Path("valid.tsv")
    """The validation file: pools of candidates."""
    answers: Path = Path("valid_answer.json")
    """Its answers, {query_id: [product_id, …]}."""
    test: Path = Path("testB.tsv")
    """The test file: pools of candidates."""
    test_answers: Path | None = None
    """Answers of the test file, where they are known: they are measured, and nothing learns from them."""
    out: Path = Path("runs/kddcup")
    """Folder that gets a run folder for each step, and `submission.csv`."""
    exploit_pool_counts: bool = False
    """Also rank by whether a candidate stands in no other pool. This exploits how the competition drew its pools; it
    knows nothing of pictures or words, and is worth nothing in a search. Told in rows of its own."""
    rerank: bool = True
    """Also fit a LightGBM lambdarank re-ranker on the validation file; told out of fold by query."""
    reranker: RerankConfig = field(default_factory=RerankConfig)
    """How the re-ranker is fitted."""
    force: bool = False
    """Run every step even if it is up to date."""
    encoder: RegionConfig = field(default_factory=RegionConfig)
    """How products become vectors."""
    queries: QueriesConfig = field(default_factory=QueriesConfig)
    """How the pairs of the training file are read."""
    pretrain: RegionPretrainConfig = field(default_factory=RegionPretrainConfig)
    """How the encoder is pretrained."""
    recall: RegionRecallConfig = field(default_factory=RegionRecallConfig)
    """How products and queries are matched."""


@dataclass(frozen=True)
class _PretrainKey:
    """All that a pretraining depends on, beside its input."""

    encoder: RegionConfig
    queries: QueriesConfig
    pretrain: RegionPretrainConfig


@dataclass(frozen=True)
class _RecallKey:
    """All that the matchers depend on, beside their inputs."""

    queries: QueriesConfig
    recall: RegionRecallConfig


def _submit(config: KddCupConfig, pools: Pools, chosen: str) -> None:
    found = pd.read_parquet(config.out / "scores" / SCORES.format("test"))
    found = found[found["model"] == chosen]
    scores_QK = np.full(pools.row_QK.shape, -np.inf)
    scores_QK[pools.real()] = found["score"]  # rows stand in the order of the pools
    write_submission(config.out / "submission.csv", ranked(scores_QK, pools), pools, config.test)


def _check_pools(pools: Pools, source: Path) -> None:
    """Before hours of training: a submission names five products for every query."""
    few = np.flatnonzero(pools.real().sum(axis=1) < SUBMITTED)
    if len(few):
        raise UserError(
            f"{source}: query {pools.query_ids[few[0]]} has fewer than {SUBMITTED} products that can be read; "
            "see rejected.csv beside the converted file"
        )


def _check_settings(config: KddCupConfig) -> None:
    """What can be known to be wrong before the first step takes hours."""
    read_answers(config.answers)
    if config.test_answers:
        read_answers(config.test_answers)
    for part, path in {"train": config.train, "valid": config.valid, "test": config.test}.items():
        if not path.is_file():
            raise UserError(f"--{part} {path}: no such file; give a KDD Cup 2020 Multimodalities Recall file (.tsv)")
    check_losses(config.pretrain, "--pretrain.")
    check_match(config.recall, "--recall.")
    model = config.recall.text.model
    if model and not (config.out / "recall" / MANIFEST).is_file():
        open_text_model(model)


def _run(config: KddCupConfig, world: World) -> str:
    out, force = config.out, config.force
    _check_settings(config)
    files = {"train": config.train, "valid": config.valid, "test": config.test}
    for part, path in files.items():
        convert(path, out / part, force, world)
    barrier(world)  # rank 0 gives a run its place when the others have left it
    products = {part: Products.load(out / part, verify=world.is_main) for part in files}
    pools = {part: pools_of(products[part]) for part in ("valid", "test")}
    _check_pools(pools["test"], config.test)

    learnt = {"train": out / "train"}
    key = _PretrainKey(config.encoder, config.queries, config.pretrain)
    with open_run(out / "pretrain", "kddcup-pretrain", key, learnt, force=force, seed=config.pretrain.loop.seed,
                  world=world) as run:  # fmt: skip
        if run is not None:
            pretrain_regions(products["train"], config.encoder, config.queries, config.pretrain, world, run)
    barrier(world)

    learnt |= {"pretrained": out / "pretrain"}
    matching = _RecallKey(config.queries, config.recall)
    with open_run(out / "recall", "kddcup-recall", matching, learnt, force=force, seed=config.recall.loop.seed,
                  world=world) as run:  # fmt: skip
        if run is not None:
            train_matchers(products["train"], out / "pretrain", config.queries, config.recall, world, run)
    barrier(world)

    inputs = {"matchers": out / "recall", "valid": out / "valid", "test": out / "test", "answers": config.answers}
    inputs |= {"test_answers": config.test_answers} if config.test_answers else {}
    scoring = ScoreKey(config.queries.width, config.exploit_pool_counts, config.rerank, config.reranker)
    with open_run(out / "scores", "kddcup-scores", scoring, inputs, force=force, world=world) as run:
        if run is not None and world.is_main:
            matchers = RegionMatcher.from_pretrained(out / "recall")
            paths = {"valid": config.answers} | ({"test": config.test_answers} if config.test_answers else {})
            truths = {part: Truth.of(pools[part], read_answers(path), str(path)) for part, path in paths.items()}
            write_scores(scoring, matchers, products, pools, truths, world.device, run)
    if not world.is_main:
        return ""
    table = pd.read_csv(out / "scores" / TABLE)
    chosen = str(table.loc[table["chosen"], "score"].iloc[0])
    _submit(config, pools["test"], chosen)
    told = as_text(table, pd.read_csv(out / "scores" / BLENDS))
    return f"{told}\n{out / 'submission.csv'}  (by {chosen}, the best on validation)"


def main(config: KddCupConfig) -> str:
    """Run every step.

    Returns:
        The table to print; `submission.csv` lies in the folder.

    Raises:
        UserError: a file is missing or of another kind, or has too little in it.
    """
    with open_world(DAY) as world:
        return _run(config, world)


if __name__ == "__main__":
    sys.exit(run_command("kddcup", sys.argv[1:]))
