"""Estimators that follow scikit-learn's conventions, whose parameters are the settings of a dataclass."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from stylecast.errors import UserError


def _default(field: Field) -> Any:  # noqa: ANN401
    return field.default if field.default_factory is MISSING else field.default_factory()


class Configured(BaseEstimator):
    """An estimator with one parameter for each setting of a dataclass, of its name and with its default.

    `get_params`, `set_params`, `clone` and a search over a grid work as with any other estimator.
    """

    settings: ClassVar[type]
    """The dataclass."""

    def __init_subclass__(cls, settings: type | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        """Give the class a constructor with a signature, which is where scikit-learn reads the parameters from."""
        super().__init_subclass__(**kwargs)
        if settings is None:  # a further subclass takes what its parent takes
            return
        cls.settings = settings
        defaults = {field.name: _default(field) for field in fields(settings)}

        def init(self: "Configured", **given: Any) -> None:  # noqa: ANN401
            if unknown := sorted(given.keys() - defaults.keys()):
                raise TypeError(f"{cls.__name__} has no parameter {unknown[0]!r}; there are {', '.join(defaults)}")
            for name, value in (defaults | given).items():
                setattr(self, name, value)

        keyword = inspect.Parameter.KEYWORD_ONLY
        of_self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        told = [inspect.Parameter(name, keyword, default=value) for name, value in defaults.items()]
        init.__signature__ = inspect.Signature([of_self, *told])  # type: ignore[attr-defined]
        init.__name__, init.__qualname__, init.__doc__ = "__init__", f"{cls.__qualname__}.__init__", settings.__doc__
        cls.__init__ = init  # type: ignore[method-assign]

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  (each class gets its own, see above)
        super().__init__()

    def config(self) -> Any:  # noqa: ANN401  (of the class `settings`)
        """The parameters as the dataclass that the stages take."""
        return self.settings(**self.get_params(deep=False))


@contextmanager
def as_value_errors() -> Iterator[None]:
    """What a stage says of its flags, said of parameters, as scikit-learn's conventions have it: by ValueError."""
    try:
        yield
    except UserError as error:
        raise ValueError(str(error).replace("--cluster.", "").replace("--", "")) from error
