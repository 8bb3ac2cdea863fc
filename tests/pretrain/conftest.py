"""The world of shapes, prepared and pretrained once a session."""

import stylecast  # noqa: F401  # isort: skip
from dataclasses import replace
from pathlib import Path

import pytest

from pretrain.recipes import tiny
from pretrain.train import PretrainConfig, main
from tests.pretrain.shapes import shapes_posts


@pytest.fixture(scope="session")
def posts_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes_posts(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="session")
def pretrain_config(posts_run: Path) -> PretrainConfig:
    config = tiny()
    loop = replace(config.loop, epochs=6, batch_size=16)
    return replace(config, posts=posts_run, out=posts_run.parent / "pretrain", cut_off="2024-03-01", loop=loop)


@pytest.fixture(scope="session")
def pretrain_run(pretrain_config: PretrainConfig) -> Path:
    return main(pretrain_config)
