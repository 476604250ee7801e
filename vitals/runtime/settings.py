"""Settings: frozen dataclasses read from environment variables, once, in `__main__`.

A field `kafka_bootstrap` is read from `KAFKA_BOOTSTRAP`. The docs list every field, which a test compares.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and what to do."""


def setting(doc: str, default: Any = dataclasses.MISSING) -> Any:  # noqa: ANN401 - like dataclasses.field
    """Declares a setting: its meaning, with unit, and its default; without a default it must be set."""
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata={"doc": doc})
    return dataclasses.field(default=default, metadata={"doc": doc})


def load(cls: type[T], environ: Mapping[str, str]) -> T:
    """Reads the settings of a part.

    Args:
        cls: Frozen dataclass of settings; fields of type str, int, float, bool, Path, tuple[str, ...],
            tuple[int, ...] or one of these or None.
        environ: The environment.

    Raises:
        SettingsError: A value is missing or does not parse.
    """
    kinds = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type] # T is any dataclass; typing has no bound for it
        name = field.name.upper()
        raw = environ.get(name, "")
        if raw == "":
            if field.default is dataclasses.MISSING:
                raise SettingsError(f"{name} is not set: {field.metadata['doc']}")
            continue
        try:
            values[field.name] = _parse(raw, kinds[field.name])
        except ValueError as error:
            raise SettingsError(f"{name}={raw!r} cannot be read: {error}. {field.metadata['doc']}") from error
    try:
        return cls(**values)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _parse(raw: str, kind: Any) -> Any:  # noqa: ANN401 - any of the types listed in `load`
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is tuple:
        return tuple(_parse(part.strip(), typing.get_args(kind)[0]) for part in raw.split(",") if part.strip())
    if kind is bool:
        if raw.lower() in {"1", "true", "yes", "on"}:
            return True
        if raw.lower() in {"0", "false", "no", "off"}:
            return False
        raise ValueError("it is neither 1 nor 0")
    return kind(raw)


def documented(cls: type[Any]) -> dict[str, tuple[str, str]]:
    """Returns name → (default as text, meaning), for the docs and for the test that compares them."""
    return {
        f.name.upper(): (
            "" if f.default in (dataclasses.MISSING, None, ()) else str(f.default),
            str(f.metadata["doc"]),
        )
        for f in dataclasses.fields(cls)
    }
