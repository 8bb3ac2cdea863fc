"""A fusion-LSTM trained by as many processes as torchrun starts; rank 0 saves what it forecasts and its last loss."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from data.windows import Target
from rank.bags import Bags
from rank.fusion_config import RECIPES
from rank.fusion_train import fit_fusion
from stylecast.world import open_world

STYLES, DAYS = ("a", "b", "c", "d"), 150


def make_world() -> tuple[Panel, Bags]:
    """Counts with likes, and posts with pictures, garments and texts."""
    rng = np.random.default_rng(0)
    count_ST = rng.poisson(4, (len(STYLES), DAYS)).astype(float)
    days = pd.date_range("2024-01-01", periods=DAYS).as_unit("ns")
    likes_ST = count_ST * 4 + rng.normal(0, 0.3, count_ST.shape)
    panel = Panel(STYLES, days, count_ST, count_ST.sum(axis=0), {"likes_log": likes_ST}, "day", True)
    ids = [f"p{number}" for number in range(400)]
    items = pd.DataFrame({"post_id": ids, "picture_id": ids, "style": rng.choice(STYLES, len(ids)),
                          "time": rng.choice(days, len(ids)), "likes": rng.poisson(9, len(ids))})  # fmt: skip
    pictures, texts, garments = ((ids, rng.normal(size=(len(ids), 6)).astype(np.float32)) for _ in range(3))
    return panel, Bags.build(items, STYLES, days, pictures, texts, garments=garments)


def main() -> None:
    """Argument: folder of the result."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tiny = RECIPES["tiny"]()
    loop = replace(tiny.loop, epochs=1, min_steps=6, max_steps=6, batch_size=16)
    config = replace(tiny, dropout=0.0, members=2, start="last", loop=loop)
    panel, bags = make_world()
    with open_world() as world:
        forecaster = fit_fusion(
            panel, bags, Target.parse("days:10-15"), config, panel.days[30:90:4], panel.days[110:130:6], world, folder
        )
        if world.is_main:
            forecaster.shrink = 1.0
            forecaster.predict(panel, bags, panel.days[[140]]).to_parquet(folder / "forecast.parquet")


if __name__ == "__main__":
    main()
