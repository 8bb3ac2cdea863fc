"""NDCG@5 of each score, as a table and as text."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data.pools import Pools
from recall.kddcup_score import COUNTS
from recall.truth import Truth

NOTE = "Fitted scores: weights and trees saw other queries than those told on; in-sample: they saw these very queries."


def judge(
    judged: Mapping[str, Truth], scores: Mapping[str, Mapping[str, np.ndarray]], in_sample: Mapping[str, float],
    pools: Mapping[str, Pools],
) -> pd.DataFrame:  # fmt: skip
    """NDCG@5 of every score.

    Args:
        judged: answers, for the part "valid" and, where they are known, "test".
        scores: by part and name; those of "valid" that were fitted on it are out of fold.
        in_sample: of each fitted score, on the validation queries that it was fitted on.
        pools: by part.

    Returns:
        score, valid, valid_error (one standard error), valid_in_sample, and test, test_error; queries, valid and test;
        chosen: whether this score makes the submission, which the best on validation does.
    """
    rows: list[dict[str, str | float]] = []
    chance = {part: truth.chance(pools[part].real()) for part, truth in judged.items()}
    rows.append({"score": "random order", **chance})
    for name in scores["valid"]:
        row: dict[str, str | float] = {"score": name}
        for part, truth in judged.items():
            value_Q = truth.ndcg(scores[part][name])
            row |= {part: float(value_Q.mean()), f"{part}_error": float(value_Q.std() / len(value_Q) ** 0.5)}
        if name in in_sample:
            row["valid_in_sample"] = in_sample[name]
        rows.append(row)
    sizes = {f"{part}_queries": len(truth.ndcg(scores[part][name])) for part, truth in judged.items()}
    table = pd.DataFrame(rows).assign(**sizes)
    return table.assign(chosen=table.index == table["valid"].iloc[1:].idxmax())


def as_text(table: pd.DataFrame, weights: pd.DataFrame) -> str:
    """The table of `judge` and the weights of the blends, to be printed."""
    parts = [part for part in ("valid", "test") if part in table]
    names = {"valid": "validation", "test": "test"}
    queries = " and ".join(f"{table[f'{part}_queries'].iloc[0]} {names[part]} queries" for part in parts)
    lines = [f"NDCG@5 of {queries}, ± one standard error", ""]
    lines.append(f"{'':<24}{'validation':>16}{'in-sample':>11}" + (f"{'test':>16}" if "test" in parts else ""))
    for row in table.to_dict("records"):
        line = f"{row['score']:<24}{_figure(row, 'valid'):>16}{_number(row.get('valid_in_sample')):>11}"
        lines.append(line + (f"{_figure(row, 'test'):>16}" if "test" in parts else ""))
    lines += ["", NOTE]
    for name, part in weights.groupby("score", sort=False):
        lines.append(f"{name}: " + ", ".join(f"{r.member} {r.weight:.2f}" for r in part.itertuples()))
    if table["score"].str.contains(COUNTS).any():
        lines.append(f"`+ {COUNTS}` exploits how the competition drew its pools; it tells nothing of search.")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


def _figure(row: dict[str, float], part: str) -> str:
    error = _number(row.get(f"{part}_error"))
    return _number(row[part]) + (f" ± {error}" if error else " " * 8)
