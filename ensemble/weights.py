"""Who weighs how much, as `ensemble` and `backtest` write it beside their forecasts."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stylecast.errors import UserError

WEIGHTS = "weights.json"


@dataclass(frozen=True)
class Weights:
    """The weights of models, which sum to one at each origin."""

    at: dict[str, dict[str, float]]
    """Origin (YYYY-MM-DD) → model → weight, for the test origins and the latest."""
    latest: dict[str, float]
    """Those of forecasts after these."""
    classes: str
    """The rule that the classes of the forecasts were cut by (`rank.edges.Edges.fit`)."""

    @classmethod
    def load(cls, folder: Path) -> "Weights":
        """Read those of a folder of `ensemble` or `backtest`.

        Raises:
            UserError: the folder does not tell what its classes are, because it is older than this.
        """
        told = json.loads((folder / WEIGHTS).read_text(encoding="utf-8"))
        if "classes" not in told:
            raise UserError(
                f"{folder / WEIGHTS}: does not tell what its classes are: made by an earlier version; run the stage "
                "again with --force"
            )
        return cls(told["weights_at"], told["weights_latest"], str(told["classes"]))

    def of(self, model: str, origin: pd.Timestamp) -> float:
        """The weight of a model at an origin, 0 to 1; 0 for one that is no member."""
        return float(self.at.get(str(origin.date()), self.latest).get(model, 0.0))
