"""Run folders: whole or not at all, skipped when up to date, checked when loaded."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from stylecast.errors import UserError
from stylecast.runs import hash_file, identity_of, load_config, load_manifest, open_run


@dataclass(frozen=True)
class ToyConfig:
    """A stage that doubles the numbers in a file."""

    numbers: Path
    out: Path
    times: int = 2
    force: bool = False


def double(config: ToyConfig, fail: bool = False) -> bool:
    """Whether the stage did its work (False: it was up to date)."""
    with open_run(config.out, "toy", config, {"numbers": config.numbers}, force=config.force, seed=7) as run:
        if run is None:
            return False
        (run.folder / "sub").mkdir(exist_ok=True)
        text = config.numbers.read_text()
        (run.folder / "sub" / "result.txt").write_text(str(int(text) * config.times))
        if fail:
            raise RuntimeError("killed half way")
        run.metrics["sum"] = 1
    return True


@pytest.fixture
def config(tmp_path: Path) -> ToyConfig:
    (tmp_path / "numbers.txt").write_text("21")
    return ToyConfig(tmp_path / "numbers.txt", tmp_path / "runs" / "toy")


def test_a_run_is_described_by_its_manifest(config: ToyConfig) -> None:
    assert double(config)
    manifest = load_manifest(config.out, "toy")
    assert manifest["stage"] == "toy"
    assert manifest["seed"] == 7
    assert manifest["metrics"] == {"sum": 1}
    assert manifest["inputs"]["numbers"]["identity"] == hash_file(config.numbers)
    assert manifest["files"]["sub/result.txt"]["sha256"] == hash_file(config.out / "sub" / "result.txt")
    assert {"versions", "git_commit", "wall_seconds", "peak_memory_mib"} <= manifest.keys()
    assert load_config(config.out, ToyConfig) == config


def test_a_stage_that_fails_leaves_nothing_at_its_place(config: ToyConfig) -> None:
    with pytest.raises(RuntimeError):
        double(config, fail=True)
    assert not config.out.exists()
    assert double(config)
    assert not (config.out.parent / ".toy.partial").exists()


def test_an_up_to_date_stage_is_skipped(config: ToyConfig) -> None:
    assert double(config)
    assert not double(config)
    assert double(replace(config, force=True))


def test_a_changed_config_or_input_runs_again(config: ToyConfig) -> None:
    double(config)
    assert double(replace(config, times=3))
    assert (config.out / "sub" / "result.txt").read_text() == "63"
    config.numbers.write_text("4")
    assert double(replace(config, times=3))
    assert (config.out / "sub" / "result.txt").read_text() == "12"


def test_a_failed_rerun_keeps_the_old_result(config: ToyConfig) -> None:
    double(config)
    with pytest.raises(RuntimeError):
        double(replace(config, times=3), fail=True)
    load_manifest(config.out, "toy")
    assert (config.out / "sub" / "result.txt").read_text() == "42"


def test_a_moved_input_is_the_same_input(config: ToyConfig, tmp_path: Path) -> None:
    double(config)
    moved = tmp_path / "elsewhere.txt"
    config.numbers.rename(moved)
    assert not double(replace(config, numbers=moved))


def test_equal_runs_have_equal_content(config: ToyConfig, tmp_path: Path) -> None:
    double(config)
    double(replace(config, out=tmp_path / "other"))
    assert identity_of(config.out) == identity_of(tmp_path / "other")


def test_damage_is_found(config: ToyConfig) -> None:
    double(config)
    result = config.out / "sub" / "result.txt"
    result.write_text("43")
    with pytest.raises(UserError, match=r"sub/result\.txt: damaged"):
        load_manifest(config.out, "toy")
    result.unlink()
    with pytest.raises(UserError, match="missing though the manifest lists it"):
        load_manifest(config.out, "toy")
    (config.out / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        load_manifest(config.out, "toy")


def test_foreign_folders_are_left_alone(config: ToyConfig) -> None:
    config.out.mkdir(parents=True)
    (config.out / "thesis.txt").write_text("ten years of work")
    with pytest.raises(UserError, match="is not a run folder"):
        double(replace(config, force=True))
    assert (config.out / "thesis.txt").exists()


def test_the_wrong_stage_is_named(config: ToyConfig) -> None:
    double(config)
    with pytest.raises(UserError, match="a run of `toy`, not of `other`"):
        load_manifest(config.out, "other")
    with pytest.raises(UserError, match="does not exist"):
        load_manifest(config.out.parent / "nowhere", "toy")


def test_a_stored_config_is_read_strictly(config: ToyConfig) -> None:
    double(config)
    path = config.out / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "tims": 3}))
    with pytest.raises(UserError, match="tims"):
        load_config(config.out, ToyConfig)
