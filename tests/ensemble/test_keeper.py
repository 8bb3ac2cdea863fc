"""The keeper looks at a run while another command moves its stages."""

import stylecast  # noqa: F401  # isort: skip
from pathlib import Path

import pytest

from ensemble.keeper import Keeper
from ensemble.live import STAGES, Live


def _load(run: Path) -> Live:
    raise AssertionError(run)


def test_a_stage_that_is_moved_away_while_it_is_looked_at_is_one_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = STAGES
    keeper = Keeper(tmp_path, _load, 1.0, print)
    assert keeper._stamp() == []
    for stage in others:
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "manifest.json").write_text("{}")
    there = keeper._stamp()
    assert len(there) == len(others)
    # The moment between two looks: the first stage was there, and is no more.
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    assert not (tmp_path / first).exists()
    assert keeper._stamp() == there
