"""Plain dataclasses to JSON and back, driven by their type hints."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def dumps(value: Any) -> str:
    """Return `value`, made of dataclasses, dicts, lists and scalars, as one line of JSON."""
    return json.dumps(value, default=vars, separators=(",", ":"))


def loads(cls: type[T], text: str) -> T:
    """Build the dataclass `cls` from what `dumps` wrote.

    Fields that the text lacks get their defaults, so that a state file survives a new field.

    Raises:
        ValueError: The text is no JSON, or does not fit the class.
    """
    try:
        decode: Callable[[Any], T] = _decoder(cls)  # type: ignore[arg-type]
        return decode(json.loads(text))
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"not a {cls.__name__}: {error}") from error


def _identity(value: Any) -> Any:
    return value


@functools.cache
def _decoder(hint: Any) -> Callable[[Any], Any]:
    """Return the function that rebuilds a value of this type hint from JSON's types."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return functools.partial(_decode_dataclass, hint)
    if origin is dict:
        decode = _decoder(args[1])
        return lambda value: {key: decode(item) for key, item in value.items()}
    if origin is list:
        decode = _decoder(args[0])
        return lambda value: [decode(item) for item in value]
    if origin in (types.UnionType, typing.Union) and type(None) in args:
        (inner,) = (arg for arg in args if arg is not type(None))
        decode = _decoder(inner)
        return lambda value: None if value is None else decode(value)
    return _identity


def _decode_dataclass(cls: Any, value: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(cls)
    return cls(**{key: _decoder(hints[key])(item) for key, item in value.items() if key in hints})
