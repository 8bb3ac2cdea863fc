"""Command `weigh`: weights that blend files of scores, searched by a metric, with the honest figure beside the fitted.

    python -m ensemble.search --scores A.csv B.csv C.csv --answers ANSWERS.json --metric ndcg@5 --out runs/weigh

Files hold `query_id,item_id,score`, each the same pairs; a hundred of fifteen thousand rows take about half a minute
on one core. `python -m ensemble.blend` applies what was found to files of other queries.

Shapes: M files, Q queries, K items of a pool (padded).
"""

import json
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from data.pools import read_answers
from ensemble.pool_loss import SCALES, Metric, PoolLoss, deviations, scaled
from ensemble.score_files import ScoreFiles, read_score_files
from ensemble.stack import fit_stack, stack_out_of_fold
from recall.pools import bootstrap_interval
from recall.rerank import RerankConfig
from recall.truth import Truth
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.runs import Run, open_run
from stylecast.weights import (
    Loss,
    NestedWeights,
    Weights,
    fold_parts,
    nested_cross_validation,
    search_weights,
    select_greedily,
)

log = logging.getLogger(__name__)
WEIGHTS, TREES = "weights.json", "trees.txt"


@dataclass(frozen=True)
class WeighConfig:
    """Search the weights that blend files of scores, by a metric, told by nested cross-validation."""

    scores: tuple[Path, ...]
    """Files `query_id,item_id,score` (.csv, .tsv, .jsonl, .parquet), each of the same pairs."""
    answers: Path
    """JSON {query_id: [item_id, …]}."""
    metric: str = "ndcg@5"
    """What is searched for: ndcg@K, recall@K (an answer stands among the first K) or mrr."""
    method: Literal["linear", "greedy", "stack"] = "linear"
    """linear: weights on the simplex; greedy: selection with replacement, so that most files have none; stack:
    LightGBM's lambdarank over scores and ranks."""
    scales: tuple[str, ...] = SCALES
    """Forms of the scores that are tried: raw (by the file's deviation), rank, z (both within the query). The one
    that is best where the weights were fitted is taken."""
    folds: int = 5
    """Parts of the queries: each is judged by what was fitted on the others."""
    rounds: int = 40
    """Picks of the greedy selection; a pick adds 1 / rounds of weight."""
    trees: RerankConfig = field(default_factory=RerankConfig)
    """How the trees of `stack` are fitted."""
    out: Path = Path("runs/weigh")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


@dataclass(frozen=True)
class Figure:
    """A line of the table."""

    name: str
    """What is judged."""
    fitted: float
    """The metric on the queries that it was fitted on."""
    value_Q: np.ndarray
    """Of each query, by what was fitted on others."""


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    scale: str
    """The form of the scores that was taken; "" for stack."""
    weights_M: np.ndarray
    """Weights of the files; empty for stack."""
    trees: str
    """Stack's model as LightGBM's text; "" otherwise."""
    figures: list[Figure]
    """The chosen one last."""


def _nested(loss: PoolLoss, config: WeighConfig, name: str, one_file: bool = False) -> tuple[NestedWeights, Figure]:
    """Search on all queries and without each fold."""

    def search(loss: Loss, members: int) -> Weights:
        if one_file:
            return select_greedily(loss, members, rounds=1)
        if config.method == "greedy":
            return select_greedily(loss, members, config.rounds)
        return search_weights(loss, members, config.rounds, grid=100, sweeps=2, polish=0)

    queries, members = loss.scores_MKQ.shape[2], len(loss.scores_MKQ)
    found = nested_cross_validation(loss.take, queries, members, config.folds, search)
    value_Q = np.empty(queries)
    for part, weights_M in zip(fold_parts(queries, config.folds), found.fold_weights_FM, strict=True):
        value_Q[part] = loss.take(part).values(weights_M[None])[0]
    return found, Figure(name, 1 - found.in_sample, value_Q)


def _linear(losses: dict[str, PoolLoss], config: WeighConfig) -> Found:
    """Weights in every form; the form is chosen as the weights are: on the queries at hand, in each fold anew."""
    nested = {scale: _nested(loss, config, f"{config.method}, {scale}") for scale, loss in losses.items()}
    best = min(nested, key=lambda scale: nested[scale][0].in_sample)
    queries = len(nested[best][1].value_Q)
    chosen_Q = np.empty(queries)
    for number, part in enumerate(fold_parts(queries, config.folds)):
        rest = np.setdiff1d(np.arange(queries), part)
        losses_of = {s: losses[s].take(rest)(found.fold_weights_FM[number]) for s, (found, _) in nested.items()}
        chosen_Q[part] = nested[min(losses_of, key=losses_of.__getitem__)][1].value_Q[part]
    figures = [figure for _, figure in nested.values()]
    figures.append(Figure(f"chosen: {best}", 1 - nested[best][0].in_sample, chosen_Q))
    return Found(best, nested[best][0].weights_M, "", figures)


def _stack(files: ScoreFiles, truth: Truth, loss: PoolLoss, config: WeighConfig) -> Found:
    trees, fitted_QK = fit_stack(files, truth.relevant_QK, config.trees)
    apart_QK = stack_out_of_fold(files, truth.relevant_QK, config.folds, config.trees)
    values = [_judge(table_QK, files, truth, loss.metric) for table_QK in (fitted_QK, apart_QK)]
    return Found("", np.zeros(0), trees, [Figure("stack", float(values[0].mean()), values[1])])


def _judge(table_QK: np.ndarray, files: ScoreFiles, truth: Truth, metric: Metric) -> np.ndarray:
    one = PoolLoss.of(np.where(files.pools.real(), table_QK, 0.0)[None], files.pools.real(), truth, metric)
    return one.values(np.ones((1, 1)))[0]


def _baselines(losses: dict[str, PoolLoss], files: ScoreFiles, config: WeighConfig) -> list[Figure]:
    found, single = _nested(next(iter(losses.values())), config, "", one_file=True)
    best = files.names[int(found.weights_M.argmax())]
    figures = [Figure(f"best single file ({best})", single.fitted, single.value_Q)]
    equal_1M = np.full((1, len(files.names)), 1 / len(files.names))
    for scale, loss in losses.items():
        value_Q = loss.values(equal_1M)[0]
        figures.append(Figure(f"equal weights, {scale}", float(value_Q.mean()), value_Q))
    return figures


def _table(figures: list[Figure], lost: int) -> pd.DataFrame:
    """A row a figure; a query that no file has counts 0."""
    rows = []
    for figure in figures:
        value_Q = np.concatenate([figure.value_Q, np.zeros(lost)])
        low, high = bootstrap_interval(value_Q)
        fitted = figure.fitted * len(figure.value_Q) / len(value_Q)
        rows.append(
            {"name": figure.name, "in_sample": fitted, "nested": float(value_Q.mean()), "lower": low, "upper": high}
        )
    return pd.DataFrame(rows)


def _as_text(table: pd.DataFrame, files: ScoreFiles, found: Found, metric: str, queries: int) -> str:
    rows = int(files.pools.real().sum())
    wide = max(len(name) for name in table["name"]) + 2
    lines = [
        f"{metric} of {len(files.names)} files with {rows} pairs of {queries} queries; 95% intervals over queries",
        f"{'':<{wide}}{'in-sample':>10}{'nested':>8}  95%",
    ]
    for row in table.to_dict("records"):
        told = f"{row['in_sample']:>10.4f}{row['nested']:>8.4f}  {row['lower']:.3f}-{row['upper']:.3f}"
        lines.append(f"{row['name']:<{wide}}{told}")
    lines.append("in-sample: on the queries that it was fitted on; nested: on queries that it was not fitted on")
    order = np.argsort(-found.weights_M, kind="stable")[:10]
    if len(order):
        weights = [f"{files.names[i]} {found.weights_M[i]:.3f}" for i in order if found.weights_M[i] > 0]
        more = int((found.weights_M > 0).sum()) - len(weights)
        lines.append("weights: " + ", ".join(weights) + (f" and {more} more" if more else ""))
    return "\n".join(lines)


def _check(config: WeighConfig, files: ScoreFiles, answers: dict[str, list[str]]) -> None:
    unknown = [query_id for query_id in files.pools.query_ids if query_id not in answers]
    if unknown:
        raise UserError(
            f"{files.line_of(unknown[0])}: query {unknown[0]} has no answer in {config.answers} ({len(unknown)} such "
            "queries); give its answers, or take it out of every file"
        )
    if len(files.pools.query_ids) < max(config.folds, 2):
        raise UserError(f"{len(files.pools.query_ids)} queries are fewer than {config.folds} --folds; give more")


def _weigh(config: WeighConfig, metric: Metric, run: Run) -> None:
    files, answers = read_score_files(config.scores), read_answers(config.answers)
    _check(config, files, answers)
    truth = Truth.of(files.pools, answers, str(config.answers))
    if truth.lost:
        log.warning("%d queries of %s stand in no file of scores: each counts 0", truth.lost, config.answers)
    deviation_M = deviations(files.scores_MQK)
    losses = {
        scale: PoolLoss.of(scaled(files.scores_MQK, scale, deviation_M), files.pools.real(), truth, metric)
        for scale in dict.fromkeys(config.scales)
    }
    first = next(iter(losses.values()))
    figures = _baselines(losses, files, config)
    found = _stack(files, truth, first, config) if config.method == "stack" else _linear(losses, config)
    table = _table([*figures, *found.figures], truth.lost)
    told = {
        "method": config.method, "metric": metric.name, "scale": found.scale, "files": list(files.names),
        "weights": found.weights_M.tolist(), "deviations": deviation_M.tolist(),
        "queries": len(files.pools.query_ids) + truth.lost, "figures": table.to_dict("records"),
    }  # fmt: skip
    (run.folder / WEIGHTS).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if found.trees:
        (run.folder / TREES).write_text(found.trees, encoding="utf-8")
    table.to_csv(run.folder / "table.csv", index=False)
    text = _as_text(table, files, found, metric.name, told["queries"])
    (run.folder / "table.txt").write_text(text + "\n", encoding="utf-8")
    run.metrics |= {name: float(table[name].iloc[-1]) for name in ("in_sample", "nested")}


def main(config: WeighConfig) -> str:
    """Run the search.

    Returns:
        The table, to be printed; the run folder holds `weights.json`, `table.csv`, `table.txt`, and `trees.txt` of
        `stack`.

    Raises:
        UserError: files that cannot be read or do not fit each other or the answers; too few queries.
    """
    metric = Metric.parse(config.metric)
    if config.folds < 2 or config.rounds < 1:
        raise UserError("--folds must be 2 or more, and --rounds 1 or more")
    if not config.scales or not set(config.scales) <= set(SCALES):
        raise UserError(f"--scales {' '.join(config.scales)}: give some of {', '.join(SCALES)}")
    inputs = {f"scores:{number}": path for number, path in enumerate(config.scores)} | {"answers": config.answers}
    with open_run(config.out, "weigh", config, inputs, force=config.force) as run:
        if run is not None:
            _weigh(config, metric, run)
    return (config.out / "table.txt").read_text(encoding="utf-8").rstrip("\n") + f"\n{config.out / WEIGHTS}"


if __name__ == "__main__":
    sys.exit(run_command("weigh", sys.argv[1:]))
