"""How an ablation is judged and told: metrics of each training on the test origins, floors, intervals over seeds."""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from rank.backtest import Backtest, best_rung
from rank.hot import hot_scores
from rank.metrics import CLASSES, accuracy, macro_f1, mae, spearman

MAJORITY, LAST = "majority class", "last value"
METRICS = {
    "skill": ("skill against the best rung", "{:.1%}"),
    "spearman_growth": ("ρ of growth", "{:.2f}"),
    "accuracy": ("class accuracy", "{:.2f}"),
    "macro_f1": ("class macro-F1", "{:.2f}"),
    "hot_auc": ("hot AUC", "{:.3f}"),
    "hot_f1": ("hot F1", "{:.2f}"),
}


def judge(backtest: Backtest, model: str) -> dict[str, float]:
    """What a model came to on the test origins; classes and hot styles by its own probabilities where it has some."""
    number, use_OS = backtest.models.index(model), backtest.cells(backtest.split.test)
    share_OS, hot_OS = backtest.share_MOS[number], backtest.hot_MOS[number]
    rung = backtest.models.index(best_rung(backtest, backtest.split.validation))
    truth_N = backtest.truth_OS[use_OS]
    half_O1 = backtest.half_O[:, None]
    growth_OS = np.log((share_OS + half_O1) / (backtest.reference_OS + half_O1))
    label_N = backtest.label_OS[use_OS]
    said_N = backtest.thresholds.label(growth_OS, backtest.reference_OS, half_O1)[use_OS]
    if np.isfinite(backtest.classes_MOSC[number]).all():
        said_N = backtest.classes_MOSC[number][use_OS].argmax(axis=1)
    orders = [
        spearman(backtest.growth_OS[place][use_OS[place]], np.round(growth_OS[place][use_OS[place]], 9))
        for place in backtest.places(backtest.split.test)
    ]
    return {
        "skill": 1 - mae(truth_N, share_OS[use_OS]) / mae(truth_N, backtest.share_MOS[rung][use_OS]),
        "spearman_growth": float(np.mean(orders)),
        "accuracy": accuracy(label_N, said_N),
        "macro_f1": macro_f1(label_N, said_N),
        **hot_scores(backtest, hot_OS if np.isfinite(hot_OS).all() else share_OS, backtest.split.test),
    }


def floors(backtest: Backtest) -> list[dict[str, object]]:
    """Rows without a training: the class most frequent on validation for all, and the last value."""
    rows = {MAJORITY: _majority(backtest), LAST: judge(backtest, "last")}
    return [{"encoder": "floor", "reads": name, **told} for name, told in rows.items()]


def _majority(backtest: Backtest) -> dict[str, float]:
    parts = (backtest.split.validation, backtest.split.test)
    earlier_N, label_N = (backtest.label_OS[backtest.cells(part)] for part in parts)
    said_N = np.full(len(label_N), np.bincount(earlier_N, minlength=len(CLASSES)).argmax())
    never_OS = np.zeros(backtest.truth_OS.shape)
    told = {"accuracy": accuracy(label_N, said_N), "macro_f1": macro_f1(label_N, said_N)}
    return told | hot_scores(backtest, never_OS, backtest.split.test)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Median, least, most and mean over the seeds of each row and metric, with a 95% t-interval of the mean.

    Args:
        rows: encoder, reads, seed, and the metrics; a floor has one row, and no interval.
    """
    told = []
    for (encoder, reads), group in rows.groupby(["encoder", "reads"], sort=False):
        for metric in METRICS:
            values = group[metric].dropna().to_numpy()
            if len(values) == 0:
                continue
            half = np.nan
            if len(values) > 1:
                half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
            mean = float(values.mean())
            told.append({"encoder": encoder, "reads": reads, "metric": metric, "seeds": len(values),
                         "median": float(np.median(values)), "least": values.min(), "most": values.max(), "mean": mean,
                         "low_95": mean - half, "high_95": mean + half})  # fmt: skip
    return pd.DataFrame(told)


def table_text(table: pd.DataFrame, backtest: Backtest, seeds: int) -> str:
    """The table in Markdown: median (least to most) [t-interval of the mean]."""
    titles = [title for title, _ in METRICS.values()]
    lines = ["| " + " | ".join(["encoder", "reads", *titles]) + " |", "|---|---|" + "---|" * len(titles)]
    for (encoder, reads), group in table.groupby(["encoder", "reads"], sort=False):
        found = {row["metric"]: row for row in group.to_dict("records")}
        cells = [_cell(found.get(metric), form) for metric, (_, form) in METRICS.items()]
        lines.append("| " + " | ".join([str(encoder), str(reads), *cells]) + " |")
    split = backtest.split
    return "\n".join([
        *lines, "",
        f"Median over {seeds} seeds (least to most); in brackets the 95% t-interval of the mean. The history of "
        f"shares is always read. Target {backtest.target}, {len(split.test)} test origins from {split.test[0].date()}, "
        f"{int(backtest.cells(split.test).sum())} cells; the best rung on validation is "
        f"`{best_rung(backtest, split.validation)}`.",
    ])  # fmt: skip


def _cell(row: dict[str, float] | None, form: str) -> str:
    if row is None:
        return ""
    told = form.format(row["median"])
    if row["seeds"] > 1:
        told += f" ({form.format(row['least'])} to {form.format(row['most'])})"
        told += f" [{form.format(row['low_95'])}, {form.format(row['high_95'])}]"
    return told
