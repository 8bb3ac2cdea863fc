"""Run folders: what a stage leaves behind, whole or not at all.

A stage writes into `.NAME.partial` beside its place, so that a stage that was killed can go on there;
`manifest.json` is written last, and then the folder is renamed. A folder with a manifest is whole.
"""

import hashlib
import json
import logging
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from stylecast.config import difference, read_config, to_dict, write_config
from stylecast.errors import UserError
from stylecast.logs import log_to_file
from stylecast.loop import CHECKPOINT
from stylecast.tracking import FILE as MLFLOW
from stylecast.tracking import recorded
from stylecast.world import World, barrier, broadcast_object

log = logging.getLogger(__name__)
C = TypeVar("C")

MANIFEST = "manifest.json"
FORMAT = 1
NOT_CONTENT = ("run.log", "tensorboard", MLFLOW, MANIFEST)  # told by the clock: not part of what a run is
SAVED = "saved-"  # how the stage of a model begins that somebody saved by hand
VERSIONED = ("stylecast", "torch", "transformers", "faiss-cpu", "faiss-gpu", "lightgbm", "numpy", "pandas",
             "scikit-learn", "umap-learn", "jieba")  # fmt: skip


@dataclass
class Run:
    """A stage at work: write into `folder`, and put what should be told into `metrics`.

    `fitted_on` tells the latest day that each fitted part used, from the rows that it was fitted on.
    """

    folder: Path
    metrics: dict[str, Any] = field(default_factory=dict)
    fitted_on: dict[str, Any] = field(default_factory=dict)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_lines(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _content_files(folder: Path) -> list[Path]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    # A stage may train several networks, each in a folder of its own with scalars of its own.
    return [p for p in paths if not {p.relative_to(folder).parts[0], p.parent.name} & set(NOT_CONTENT)]


def identity_of(path: Path) -> str:
    """What an input is: a run's content, a file's bytes, or the names, sizes and times of a folder's files.

    Raises:
        UserError: there is no such file or folder.
    """
    if (path / MANIFEST).is_file():
        return str(read_manifest(path)["content"])
    if path.is_file():
        return hash_file(path)
    if path.is_dir():
        stats = [(p, p.stat()) for p in path.rglob("*") if p.is_file()]
        return _hash_lines([f"{p.relative_to(path)} {s.st_size} {s.st_mtime_ns}" for p, s in stats])
    raise UserError(f"{path}: no such file or folder")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run folder, whose files are not looked at.

    Raises:
        UserError: it cannot be read, or is of another version.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{folder / MANIFEST} cannot be read ({error}); run the stage again with --force") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or "content" not in content:
        raise UserError(f"{folder / MANIFEST} is not a manifest of this version of Stylecast; run the stage again")
    return content


def command_of(stage: str) -> str:
    """The command that a stage is of."""
    return stage.partition("-")[0]  # "kddcup-convert" is a step of `stylecast kddcup`


def load_manifest(folder: Path, stage: str) -> dict[str, Any]:
    """Check that a folder is a whole, undamaged run of a stage, and read its manifest.

    Raises:
        UserError: the folder is missing, unfinished, damaged (a file is missing or has other bytes), or
            was written by another stage.
    """
    if not (folder / MANIFEST).is_file():
        state = "was not finished" if folder.is_dir() else "does not exist"
        raise UserError(f"{folder}: the run {state} (no {MANIFEST}); run `stylecast {command_of(stage)}` first")
    manifest = read_manifest(folder)
    if manifest["stage"] != stage:
        raise UserError(f"{folder}: a run of `{manifest['stage']}`, not of `{stage}`; name the right folder")
    again = "save it again" if stage.startswith(SAVED) else f"run `stylecast {command_of(stage)} --force`"
    for name, told in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: missing though the manifest lists it; {again}")
        if path.stat().st_size != told["bytes"] or hash_file(path) != told["sha256"]:
            raise UserError(f"{path}: damaged (its hash is not the manifest's); {again}")
    return manifest


def input_of(folder: Path, told: dict[str, str]) -> Path | None:
    """The run that an input of another was: beside it, since runs move together, or where it lay; None if it is gone.

    Args:
        folder: the run that was made from it.
        told: what its manifest tells of the input.
    """
    places = [folder.parent / Path(told["path"]).name, Path(told["path"])]
    places = [place for place in places if (place / MANIFEST).is_file()]
    same = [place for place in places if identity_of(place) == told["identity"]]
    return next(iter(same or places), None)


def load_config(folder: Path, cls: type[C]) -> C:
    """The resolved config that a run was made with."""
    return read_config(folder / "config.json", cls)


def _key(stage: str, config: dict[str, Any], identities: dict[str, str]) -> dict[str, Any]:
    # Where inputs and outputs lie is not what a run is: a moved folder is still up to date.
    # Of a setting that names several files, each is an input of its own: `dictionary:0`, `dictionary:1`.
    places = {"out", "force", *(name.partition(":")[0] for name in identities)}
    settings = {k: v for k, v in config.items() if k not in places}
    return {"stage": stage, "format": FORMAT, "config": settings, "inputs": identities}


def _is_fresh(out: Path, key: dict[str, Any], force: bool) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / MANIFEST).is_file():
        raise UserError(f"{out}: exists and is not a run folder; choose another folder, or remove it")
    manifest = read_manifest(out)
    if manifest["stage"] != key["stage"]:
        raise UserError(f"{out}: holds a run of `{manifest['stage']}`; choose another folder")
    if force:
        return False
    if manifest["key"] == key:
        load_manifest(out, key["stage"])
        return True
    old = manifest["key"]
    told = difference(old["config"], key["config"])
    told += [f"input {n} changed" for n in key["inputs"] if old["inputs"].get(n) != key["inputs"][n]]
    log.info("%s: out of date (%s): running again", out, "; ".join(told) or "format")
    return False


def _begin(out: Path, key: dict[str, Any], force: bool) -> Path:
    partial = out.parent / f".{out.name}.partial"
    told = json.dumps(key, sort_keys=True)
    state = partial / "state.json"
    if partial.exists() and not force and state.is_file() and state.read_text(encoding="utf-8") == told:
        log.info("%s: going on where a stopped run left off", partial)
        return partial
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    state.write_text(told, encoding="utf-8")
    return partial


def versions() -> dict[str, str]:
    """The packages that results depend on, and their versions."""
    found = {}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # one of the two faiss builds is always absent
            found[name] = "absent"
    return found


def _git_commit() -> str | None:
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    told = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return told.stdout.strip() if told.returncode == 0 else None


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _seal(run: Run, out: Path, key: dict[str, Any], inputs: dict[str, Path], seed: int, started: float) -> None:
    for path in [run.folder / "state.json", *run.folder.rglob(CHECKPOINT)]:
        path.unlink()
    files = {
        p.relative_to(run.folder).as_posix(): {"bytes": p.stat().st_size, "sha256": hash_file(p)}
        for p in _content_files(run.folder)
    }
    manifest = {
        "format": FORMAT, "stage": key["stage"], "key": key, "files": files,
        # config.json names the folders, which may move: what a run is, is told by the rest.
        "content": _hash_lines([f"{n} {f['sha256']}" for n, f in files.items() if n != "config.json"]),
        "inputs": {n: {"path": str(p), "identity": key["inputs"][n]} for n, p in inputs.items()},
        "versions": versions(), "git_commit": _git_commit(), "seed": seed, "metrics": run.metrics,
        "fitted_on": run.fitted_on,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(time.monotonic() - started, 2), "peak_memory_mib": round(peak_memory_mib(), 1),
    }  # fmt: skip
    told = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (run.folder / MANIFEST).write_text(told, encoding="utf-8")
    replaced = out.parent / f".{out.name}.replaced"
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        os.replace(out, replaced)
    os.replace(run.folder, out)
    shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def open_run(
    out: Path, stage: str, config: Any, inputs: dict[str, Path],  # noqa: ANN401  (any dataclass)
    *, force: bool = False, seed: int = 0, world: World | None = None,
) -> Iterator[Run | None]:  # fmt: skip
    """Do a stage's work in a run folder; on success it appears at `out`, whole.

    Args:
        out: where the folder will lie.
        stage: name of the command.
        config: the stage's resolved config, stored as `config.json`.
        inputs: what the stage reads, by the name of the setting that gave it (`NAME:0`, `NAME:1` … of several).
        force: run even if what lies at `out` is up to date, and start from scratch.
        seed: told in the manifest.
        world: the processes that share the work; rank 0 alone writes.

    Yields:
        The run to write into, or None when `out` is up to date and there is nothing to do.

    Raises:
        UserError: an input is missing, or `out` holds something else.
    """
    started = time.monotonic()
    is_main = world is None or world.is_main
    key = _key(stage, to_dict(config), {n: identity_of(p) for n, p in inputs.items()})
    fresh = _is_fresh(out, key, force) if is_main else False
    if world is not None:
        fresh = broadcast_object(fresh, world)
    if fresh:
        if is_main:
            log.info("%s: up to date, skipped (--force runs it again)", out)
        yield None
        return
    partial = _begin(out, key, force) if is_main else out.parent / f".{out.name}.partial"
    if world is not None:
        barrier(world)
    run = Run(partial)
    if not is_main:
        yield run
        assert world is not None
        barrier(world)
        return
    name = f"{stage} {out.parent.name}/{out.name}"
    with log_to_file(partial / "run.log"), recorded(partial, name, to_dict(config), run.metrics):
        yield run
        write_config(partial / "config.json", config)
    if world is not None:
        barrier(world)
    _seal(run, out, key, inputs, seed, started)
