"""From flags to a stage's `main`: recipes, stored configs, verbosity, torchrun, and errors in one line."""

import contextlib
import dataclasses
import io
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from stylecast.config import read_config
from stylecast.errors import UserError
from stylecast.logs import set_up_logging
from stylecast.tracking import tracked

Recipes = Mapping[str, Callable[[], Any]]


@dataclass(frozen=True)
class Common:
    """Settings that every command has."""

    recipe: str = ""
    """Start from a named config instead of the defaults; other flags change it further."""
    config: Path | None = None
    """Start from a stored config (the config.json of a run folder) instead of the defaults."""
    nproc: int = 1
    """Processes for the neural stages, started under torchrun on this machine, processes."""
    mlflow: str = ""
    """Record settings, scalars and final metrics of each run folder in an MLflow server or store, by its URI, such as
    http://host:5000 or sqlite:///mlflow.db; for commands that train."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """Say only what is wrong."""
    verbose: Annotated[bool, tyro.conf.arg(aliases=["-v"])] = False
    """Say everything, and show where an error came from."""


def _value_of(args: Sequence[str], flag: str) -> str | None:
    """Value of a flag that decides how the others are parsed, so that it must be known before."""
    for number, arg in enumerate(args):
        if arg == flag and number + 1 < len(args):
            return args[number + 1]
        if arg.startswith(f"{flag}="):
            return arg.partition("=")[2]
    return None


def _start(cls: type, recipes: Recipes, args: Sequence[str]) -> Any:  # noqa: ANN401
    """The config that the flags change: of a file, of a recipe, or the plain defaults (None)."""
    stored, recipe = _value_of(args, "--config"), _value_of(args, "--recipe")
    if stored and recipe:
        raise UserError("--config and --recipe each give a whole config; use one of them")
    if stored:
        return read_config(Path(stored), cls)
    if recipe:
        if recipe not in recipes:
            raise UserError(f"--recipe {recipe}: unknown; there are: {', '.join(recipes) or 'none here'}")
        return recipes[recipe]()
    return None


def _bundle(cls: type, start: Any) -> type:  # noqa: ANN401
    """One dataclass out of a stage's config and the common settings, their flags side by side."""
    default = field() if start is None else field(default_factory=lambda: start)
    plain = tyro.conf.arg(name="")  # --epochs, not --settings.epochs; a nested config keeps its prefix
    return dataclasses.make_dataclass(
        "Flags",
        [
            ("settings", Annotated[cls, plain], default),
            ("common", Annotated[Common, plain], field(default_factory=Common)),
        ],
        frozen=True,
    )


def parse(cls: type, recipes: Recipes, prog: str, description: str, args: Sequence[str]) -> tuple[Any, Common]:
    """Read flags into a stage's config and the common settings.

    Raises:
        UserError: unknown, incomplete or unreadable flags; an unknown recipe; a stored config that cannot be used.
        SystemExit: `--help` (code 0).
    """
    start = _start(cls, recipes, args)
    if recipes:
        description += "\n\nRecipes (--recipe): " + ", ".join(recipes) + "."
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            flags: Any = tyro.cli(
                _bundle(cls, start), prog=prog, description=description, args=list(args),
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.ConsolidateSubcommandArgs),
            )  # fmt: skip
    except SystemExit as ended:
        if ended.code == 0:
            raise
        raise UserError(f"{_unboxed(told.getvalue())}; see {prog} --help") from None
    sys.stderr.write(told.getvalue())
    return flags.settings, flags.common


def _unboxed(told: str) -> str:
    """What tyro says in a box, in one line: its first part, and the flags that were perhaps meant."""
    # Where the terminal has no UTF-8, the frame is missing and a rule of hyphens stands under the title.
    lines = [line.strip("│ ") for line in told.splitlines()[1:]]
    rules = [number for number, line in enumerate(lines) if line and set(line) <= {"─", "-"}]
    start = 1 if rules[:1] == [0] else 0
    rule = next((number for number in rules if number > start), len(lines))
    said = " ".join(lines[start:rule]).rstrip(".")
    if "Perhaps you meant:" in lines:
        meant = [flag for line in lines[rule:] if (flag := re.match(r"--\w[\w.-]*", line))]
        said += "; perhaps you meant " + " or ".join(dict.fromkeys(flag[0] for flag in meant))
    return said


def under_torchrun(module: str, args: Sequence[str], nproc: int) -> None:
    """Run a stage's module in several processes of this machine.

    Args:
        module: such as `pretrain.train`.
        args: its flags.
        nproc: number of processes.

    Raises:
        UserError: the processes failed; what was wrong stands above in their own words.
    """
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(nproc),
        "-m",
        module,
    ]
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    ended = subprocess.run([*command, *args], env={**os.environ, **threads}, check=False)
    if ended.returncode:
        raise UserError(f"--nproc {nproc}: the processes of {module} failed (exit code {ended.returncode}), see above")


def _without(args: Sequence[str], flag: str) -> list[str]:
    kept: list[str] = []
    skip = False
    for arg in args:
        if skip:
            skip = False
        elif arg == flag:
            skip = True
        elif not arg.startswith(f"{flag}="):
            kept.append(arg)
    return kept


def guarded(work: Callable[[], Any], verbose: bool) -> int:
    """Do the work; tell a user's error in one line, and end with exit code 2."""
    try:
        result = work()
    except UserError as error:
        if verbose:
            sys.stderr.write(traceback.format_exc())
        sys.stderr.write(f"stylecast: error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stylecast: stopped; run the same command again to go on\n")
        return 130
    except BrokenPipeError:  # the reader of our output has gone away (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if result is not None:
        sys.stdout.write(f"{result}\n")
    return 0


def run_stage(
    main: Callable[..., Any], cls: type, *, prog: str, description: str,
    recipes: Recipes | None = None, module: str | None = None, spreads: bool = False,
    args: Sequence[str] | None = None,
) -> int:  # fmt: skip
    """Parse the flags of one command and run it.

    Args:
        main: the stage; what it returns is printed.
        cls: its config.
        prog: name in `--help`.
        description: for `--help`.
        recipes: its named configs.
        module: of a neural stage: what torchrun starts when `--nproc` asks for more than one process.
        spreads: whether `main` starts neural stages itself and takes `nproc` and `verbosity`.
        args: the flags; by default those of the command line.

    Returns:
        The exit code: 0, 2 for an error that the user can put right, 130 when interrupted.
    """
    given = sys.argv[1:] if args is None else list(args)
    verbose = bool({"-v", "--verbose"} & set(given))

    def work() -> Any:  # noqa: ANN401
        config, common = parse(cls, recipes or {}, prog, description, given)
        rank = int(os.environ.get("RANK", "0"))
        verbosity = -1 if common.quiet else 1 if common.verbose else 0
        set_up_logging(verbosity, is_main=rank == 0)
        if common.nproc < 1:
            raise UserError(f"--nproc {common.nproc}: must be 1 or more")
        if common.mlflow and module is None and not spreads:
            raise UserError(f"--mlflow {common.mlflow}: `{prog}` trains nothing; leave the flag out")
        with tracked(common.mlflow):
            return begin(config, common.nproc, verbosity, rank)

    def begin(config: Any, nproc: int, verbosity: int, rank: int) -> Any:  # noqa: ANN401
        if spreads:
            return main(config, nproc=nproc, verbosity=verbosity)
        if nproc > 1 and "RANK" not in os.environ:
            if module is None:
                raise UserError(f"--nproc {nproc}: `{prog}` has nothing to train; it runs in one process")
            under_torchrun(module, _without(given, "--nproc"), nproc)
            return None  # rank 0 has told it
        result = main(config)
        return result if rank == 0 else None

    return guarded(work, verbose)
