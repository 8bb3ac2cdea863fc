"""Configs: frozen dataclasses, stored as JSON beside what they made, and read back strictly."""

import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.gen import make_dict_structure_fn
from cattrs.strategies import configure_union_passthrough

from stylecast.errors import UserError

C = TypeVar("C")


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    configure_union_passthrough(str | int | float | bool | None, converter)
    converter.register_structure_hook_factory(
        is_dataclass,
        lambda cls: make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True),
    )
    return converter


_CONVERTER = _converter()


def to_dict(config: Any) -> dict[str, Any]:  # noqa: ANN401  (any dataclass)
    """A config as plain JSON values, tuples as lists."""
    content = _CONVERTER.unstructure(config)
    return json.loads(json.dumps(content))


def from_dict(content: dict[str, Any], cls: type[C], where: str = "config") -> C:
    """A config from plain values; a missing key takes its default, an unknown one is an error.

    Raises:
        UserError: an unknown key or a value of the wrong type, with its path.
    """
    try:
        return _CONVERTER.structure(content, cls)
    except (cattrs.BaseValidationError, cattrs.errors.ForbiddenExtraKeysError) as error:
        told = "; ".join(cattrs.transform_error(error))
        raise UserError(f"{where}: {told}; see --help for the settings") from error


def read_config(path: Path, cls: type[C]) -> C:
    """Read a config that a run stored (its `config.json`), or that a person wrote.

    Raises:
        UserError: no such file, no JSON, or not this config.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; --config takes the config.json of a run folder") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: line {error.lineno}: not JSON ({error.msg})") from error
    return from_dict(content, cls, str(path))


def write_config(path: Path, config: Any) -> None:  # noqa: ANN401
    """Write a config as JSON, one setting a line."""
    path.write_text(json.dumps(to_dict(config), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Which settings differ, as `name old → new`."""
    told: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            told += difference(a, b, f"{prefix}{key}.")
        elif a != b:
            told.append(f"{prefix}{key} {a} → {b}")
    return told
