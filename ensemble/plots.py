"""The pictures of a backtest, drawn into its folder as PNG and SVG.

fans            the styles that are said to move most: history, what was said before, what is said now
errors          error by origin, and by size of style, against the best simple rule
calibration     how many truths intervals of each level held
importance      what LightGBM's trees learnt from, where it is a member
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import lightgbm as lgb

from ensemble.plots_errors import calibration, errors, importance
from ensemble.plots_fans import fans
from ensemble.walk import Walk
from rank.backtest import Backtest
from rank.features import declared_features
from recall.fonts import labels_of, look, save

log = logging.getLogger(__name__)

FIGURES = ("fans", "errors", "calibration", "importance")
LEARNT = ("growth", "rest")
"""LightGBM's models of growth; the member tells the mean of both."""


def draw(
    backtest: Backtest,
    walk: Walk,
    folder: Path,
    names: Mapping[str, str] | None = None,
    models: Path | None = None,
) -> None:
    """Draw what there is: without test origins no errors, without LightGBM's models no importance.

    Args:
        backtest: the forecasts.
        walk: what was fitted for each origin.
        folder: where to.
        names: of the styles; one without shows its id.
        models: folder of LightGBM's models.
    """
    styles = list(backtest.panel.styles)
    labels = labels_of(styles, [(names or {}).get(style, "") for style in styles])
    with look():
        save(fans(backtest, walk, labels), folder, "fans")
        if backtest.cells(backtest.split.test).any():
            save(errors(backtest, walk), folder, "errors")
            save(calibration(backtest, walk), folder, "calibration")
        if models is not None and all((models / f"{name}.txt").is_file() for name in LEARNT):
            save(importance(gains(models), kinds_of(backtest)), folder, "importance")
        else:
            log.info("LightGBM left no models: the importance of its features is not drawn")


def gains(models: Path) -> dict[str, float]:
    """How much each feature lessened the loss, as a part of all (sum 1), over LightGBM's models of growth."""
    told: dict[str, float] = {}
    for name in LEARNT:
        model = lgb.Booster(model_file=models / f"{name}.txt")
        gain_K = model.feature_importance("gain")
        for feature, gain in zip(model.feature_name(), gain_K / max(float(gain_K.sum()), 1e-12), strict=True):
            told[feature] = told.get(feature, 0.0) + float(gain) / len(LEARNT)
    return told


def kinds_of(backtest: Backtest) -> dict[str, tuple[str, str]]:
    """What each feature says, and of what it speaks."""
    features = declared_features(tuple(backtest.panel.numeric))
    return {feature.name: (feature.description, feature.kind) for feature in features}
