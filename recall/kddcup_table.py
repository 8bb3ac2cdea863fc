"""NDCG@5 of each score, as a table and as text."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data.pools import Pools
from recall.kddcup_score import EXPLOIT
from recall.truth import Truth

NOTE = "Blends: weights fitted on other queries than those they are told on; in-sample: on these very queries."


def judge(
    judged: Mapping[str, Truth], scores: Mapping[str, Mapping[str, np.ndarray]], in_sample: Mapping[str, float],
    nested: Mapping[str, float], pools: Mapping[str, Pools],
) -> pd.DataFrame:  # fmt: skip
    """NDCG@5 of every score.

    Args:
        judged: answers, for the part "valid" and, where they are known, "test".
        scores: by part and name.
        in_sample: of each blend, on the validation queries that its weights were fitted on.
        nested: of each blend, on validation queries that its weights were not fitted on.
        pools: by part.

    Returns:
        score, valid, valid_error (one standard error), valid_in_sample, and test, test_error; queries, valid and test.
    """
    rows: list[dict[str, str | float]] = []
    chance = {part: truth.chance(pools[part].real()) for part, truth in judged.items()}
    rows.append({"score": "random order", **chance})
    for name in scores["valid"]:
        row: dict[str, str | float] = {"score": name}
        for part, truth in judged.items():
            value_Q = truth.ndcg(scores[part][name])
            row |= {part: float(value_Q.mean()), f"{part}_error": float(value_Q.std() / len(value_Q) ** 0.5)}
        if name in nested:  # fitted on the validation file, so only its folds can tell
            row |= {"valid": nested[name], "valid_in_sample": in_sample[name]}
        rows.append(row)
    sizes = {f"{part}_queries": len(truth.ndcg(scores[part][name])) for part, truth in judged.items()}
    return pd.DataFrame(rows).assign(**sizes)


def as_text(table: pd.DataFrame, weights: pd.DataFrame) -> str:
    """The table of `judge` and the weights of the blends, to be printed."""
    parts = [part for part in ("valid", "test") if part in table]
    names = {"valid": "validation", "test": "test"}
    queries = " and ".join(f"{table[f'{part}_queries'].iloc[0]} {names[part]} queries" for part in parts)
    lines = [f"NDCG@5 of {queries}, ± one standard error", ""]
    lines.append(f"{'':<20}{'validation':>16}{'in-sample':>11}" + (f"{'test':>16}" if "test" in parts else ""))
    for row in table.to_dict("records"):
        line = f"{row['score']:<20}{_figure(row, 'valid'):>16}{_number(row.get('valid_in_sample')):>11}"
        lines.append(line + (f"{_figure(row, 'test'):>16}" if "test" in parts else ""))
    lines += ["", NOTE]
    for name, part in weights.groupby("score", sort=False):
        lines.append(f"{name}: " + ", ".join(f"{r.member} {r.weight:.2f}" for r in part.itertuples()))
    if EXPLOIT in set(table["score"]):
        lines.append(f"`{EXPLOIT}` exploits how the competition drew its pools; it tells nothing of search.")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


def _figure(row: dict[str, float], part: str) -> str:
    error = _number(row.get(f"{part}_error"))
    return _number(row[part]) + (f" ± {error}" if error else " " * 8)
