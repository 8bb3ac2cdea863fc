"""A tiny world, run once a test session through every stage."""

from pathlib import Path

import pandas as pd
import pytest

from data.sample import SampleConfig
from data.sample import main as sample
from ensemble.pipeline import RunConfig, main
from tests.pipeline.tiny import config_for


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """700 posts of six styles over two years."""
    config = SampleConfig(
        out=tmp_path_factory.mktemp("world") / "world", posts=700, styles=6, days=730, workers=1, picture_size=48
    )
    return sample(config)


@pytest.fixture(scope="session")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, str]:
    """A whole run, and what it told."""
    config = config_for(world / "posts.csv", tmp_path_factory.mktemp("runs") / "run")
    return config, main(config)


@pytest.fixture(scope="session")
def texts(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A whole run of the texts alone, and what it told."""
    folder = tmp_path_factory.mktemp("texts")
    table = pd.read_csv(world / "posts.csv", dtype=str, keep_default_na=False).drop(columns=["images"])
    table.to_csv(folder / "texts.csv", index=False)
    return folder / "run", main(config_for(folder / "texts.csv", folder / "run"))
