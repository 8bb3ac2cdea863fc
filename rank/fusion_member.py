"""The fusion-LSTM as a member of a backtest: trained before validation, before the test, and for the latest origin."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from data.windows import complete, known_on, training_days
from rank.bags import Bags
from rank.fusion_config import FusionConfig
from rank.fusion_forecast import FusionForecaster
from rank.fusion_train import fit_fusion
from rank.member import Answer, Question, from_frame
from stylecast.world import World

log = logging.getLogger(__name__)


PARTS = ("validation", "test", "latest")


@dataclass(frozen=True)
class FusionMember:
    """A training for each part of the split, on the labels known by the first origin that it serves."""

    world: World
    """The processes."""
    folder: Path
    """Where checkpoints are written; `latest` in it gets the forecaster of the latest origin."""
    config: FusionConfig = field(default_factory=FusionConfig)
    """Sizes and training."""
    bags: Bags | None = None
    """Pictures and texts of the posts; None for numbers alone."""
    name: str = "fusion-lstm"
    """How tables call it."""
    parts: tuple[str, ...] = PARTS
    """The parts of the split that it answers for; for other origins it says "as it was"."""

    def answer(self, question: Question) -> Answer:
        """Trains for each part of the split and forecasts its origins."""
        split = question.split
        latest = pd.DatetimeIndex([split.latest])
        parts = {"validation": split.validation, "test": split.test, "latest": latest}
        frames = []
        for name, origins in parts.items():
            if len(origins) == 0 or name not in self.parts:
                continue
            forecaster = self._fit(question, origins[0], self.folder / name)
            told = forecaster.predict(question.panel, self.bags, origins)
            # Trained on a panel that ends at the first of these origins; a window ends at its own.
            frames.append(told.assign(used=told["origin"].clip(lower=origins[0])))
            if name == "latest" and self.world.is_main:
                forecaster.save(self.folder / name)
        return from_frame(pd.concat(frames, ignore_index=True), question)

    def _fit(self, question: Question, day: pd.Timestamp, folder: Path) -> FusionForecaster:
        """A training on what is known on `day`: it is handed a panel that ends there."""
        panel, target = question.panel.until(day), question.target
        dense = complete(question.panel, target, training_days(question.panel, target))
        train = pd.DatetimeIndex([o for o in dense if known_on(panel, target.period(o)) <= day])
        none = pd.DatetimeIndex([])
        bags = None if self.bags is None else self.bags.cut(len(panel.days))
        config = replace(self.config, classes=question.classes)
        config = replace(config, history_days=target.history) if target.history else config
        return fit_fusion(panel, bags, target, config, train, none, self.world, folder)
