"""Blending score files: how long the search takes, and what it gains over the best file and equal weights.

    python benchmarks/score_files.py               # a hundred files of fifteen thousand rows: minutes
    python benchmarks/score_files.py --files 10 --queries 100

The files are made up: every member sees the truth through noise of its own and noise that it shares with its family
(as networks of one kind do), some hardly see it, and each speaks on a scale of its own. `plain` is what one
evaluation costs in NumPy, by sorting; the ratio says how many of them the whole search took.
"""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from ensemble.search import WeighConfig, main
from recall.metrics import ndcg


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is measured."""

    files: int = 100
    """Score files."""
    queries: int = 500
    """Queries."""
    items: int = 30
    """Candidates of a query, items."""
    methods: tuple[str, ...] = ("linear", "greedy", "stack")
    """Methods to run."""
    seed: int = 0
    """Of the made-up scores."""


def made_up(config: BenchmarkConfig) -> tuple[np.ndarray, np.ndarray]:
    """Scores M×Q×K, and which candidates are right, bool Q×K."""
    rng = np.random.default_rng(config.seed)
    shape = (config.queries, config.items)
    right_QK = np.zeros(shape, dtype=bool)
    np.put_along_axis(right_QK, rng.integers(0, config.items, (config.queries, 2)), True, axis=1)
    families = rng.normal(size=(max(config.files // 10, 1), *shape))
    scores = []
    for number in range(config.files):
        sight = rng.choice([0.0, 0.3, 0.6, 0.9])
        noise_QK = rng.normal(size=shape) + families[number % len(families)]
        scores.append(10 ** rng.uniform(-2, 2) * (sight * right_QK + noise_QK) + rng.normal())
    return np.array(scores), right_QK


def write(scores_MQK: np.ndarray, right_QK: np.ndarray, folder: Path) -> tuple[list[Path], Path]:
    """The files of scores and of answers."""
    queries, items = right_QK.shape
    query_R, item_R = np.repeat(np.arange(queries), items), np.tile(np.arange(items), queries)
    paths = []
    for number, table_QK in enumerate(scores_MQK):
        paths.append(folder / f"member-{number:03d}.csv")
        pd.DataFrame({"query_id": query_R, "item_id": item_R, "score": table_QK.ravel()}).to_csv(paths[-1], index=False)
    answers = {str(query): np.flatnonzero(right_K).tolist() for query, right_K in enumerate(right_QK)}
    (folder / "answers.json").write_text(json.dumps(answers))
    return paths, folder / "answers.json"


def plain_seconds(scores_MQK: np.ndarray, right_QK: np.ndarray) -> float:
    """Seconds of one evaluation of weights by sorting, the least of several."""
    weights_M = np.full(len(scores_MQK), 1 / len(scores_MQK))
    told = []
    for _ in range(7):
        start = time.perf_counter()
        ndcg(np.tensordot(weights_M, scores_MQK, axes=1), right_QK)
        told.append(time.perf_counter() - start)
    return min(told)


def run(config: BenchmarkConfig) -> None:
    """Prints the table of each method, its seconds, and the ratio to plain evaluations."""
    scores_MQK, right_QK = made_up(config)
    plain = plain_seconds(scores_MQK, right_QK)
    print(f"plain: one evaluation of {config.files} files takes {1000 * plain:.1f} ms")
    with tempfile.TemporaryDirectory() as name:
        paths, answers = write(scores_MQK, right_QK, Path(name))
        for method in config.methods:
            start = time.perf_counter()
            out = Path(name) / method
            told = main(WeighConfig(scores=tuple(paths), answers=answers, method=method, out=out))  # type: ignore[arg-type]
            seconds = time.perf_counter() - start
            print(f"\n{method}: {seconds:.1f} s with reading, as long as {seconds / plain:.0f} plain evaluations")
            print(told.rsplit("\n", 1)[0])


if __name__ == "__main__":
    run(tyro.cli(BenchmarkConfig, description=__doc__))
