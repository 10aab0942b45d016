"""Typed values: charm options (config) and action parameters, with Juju's rules of conversion."""

import re
from dataclasses import dataclass, field
from typing import Any

from jujulab.juju.errors import JujuError

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}
_SECRET = re.compile(r"^secret:[a-z0-9]{20}$|^secret://[0-9a-f-]{36}/[a-z0-9]{20}$")


@dataclass(frozen=True)
class Option:
    """One option of a charm; `kind` is string, int, float, boolean or secret."""

    kind: str
    default: Any = None
    description: str = ""

    def coerce(self, name: str, value: Any) -> Any:
        """Return `value`, text from the command line or a YAML scalar, in the option's type.

        Raises:
            JujuError: The value does not fit; the text names the option.
        """
        if value is None:
            return None
        try:
            return _CONVERT[self.kind](value)
        except (TypeError, ValueError):
            raise JujuError(f'option "{name}" expected {self.kind}, got {_shown(value)}') from None


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{type(value).__name__} {value!r}"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return int(value)


def _float(value: Any) -> float:
    if not isinstance(value, float | str):
        raise TypeError
    return float(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError


def _secret(value: Any) -> str:
    if not _SECRET.match(_string(value)):
        raise ValueError
    return value


_CONVERT = {
    "string": _string,
    "int": _int,
    "float": _float,
    "boolean": _boolean,
    "secret": _secret,
}


def parse_options(raw: dict[str, Any] | None) -> dict[str, Option]:
    """Read the `options` of a charm's config.

    Raises:
        ValueError: An option has an unknown type or a default that does not fit it.
    """
    options = {}
    for name, entry in (raw or {}).items():
        kind = entry.get("type")
        if kind not in _CONVERT:
            raise ValueError(f'option "{name}" has unknown type {kind!r}')
        option = Option(kind, description=entry.get("description", ""))
        try:
            default = option.coerce(name, entry.get("default"))
        except JujuError as error:
            raise ValueError(f"invalid config default: {error}") from None
        options[name] = Option(kind, default, option.description)
    return options


@dataclass(frozen=True)
class Action:
    """One action of a charm with the JSON Schema of its parameters."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    additional: bool = True

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with defaults filled in.

        Checked is what Juju's schema check finds at this level: missing and unknown names, types,
        enumerations and bounds, and nested objects and lists.

        Raises:
            JujuError: A parameter does not fit; the text names it.
        """
        schema = {
            "type": "object",
            "properties": self.params,
            "required": list(self.required),
            "additionalProperties": self.additional,
        }
        merged = _with_defaults(schema, values)
        _check("(root)", merged, schema)
        return merged


def _with_defaults(schema: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, sub in (schema.get("properties") or {}).items():
        if name not in merged and "default" in sub:
            merged[name] = sub["default"]
        elif isinstance(merged.get(name), dict) and sub.get("type") == "object":
            merged[name] = _with_defaults(sub, merged[name])
    return merged


_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def _has_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _JSON_TYPES.get(kind, (object,)))


def _check(path: str, value: Any, schema: dict[str, Any]) -> None:
    """Raise a JujuError where `value` does not satisfy `schema`."""
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind] if kind else []
    if kinds and not any(_has_type(value, k) for k in kinds):
        raise _invalid(path, f"must be of type {' or '.join(kinds)}, given {value!r}")
    if "enum" in schema and value not in schema["enum"]:
        raise _invalid(path, f"must be one of {schema['enum']}, given {value!r}")
    if isinstance(value, dict):
        _check_object(path, value, schema)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check(f"{path}.{number}", item, schema.get("items") or {})
    elif isinstance(value, str):
        _check_string(path, value, schema)
    elif isinstance(value, int | float):
        _check_number(path, value, schema)


def _check_object(path: str, value: dict[str, Any], schema: dict[str, Any]) -> None:
    properties = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in value:
            raise _invalid(path, f'"{name}" property is missing and required')
    for name, item in value.items():
        if name in properties:
            _check(f"{path}.{name}", item, properties[name])
        elif schema.get("additionalProperties") is False:
            raise _invalid(path, f'additional property "{name}" is not allowed')


def _check_string(path: str, value: str, schema: dict[str, Any]) -> None:
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise _invalid(path, f"does not match pattern {schema['pattern']!r}, given {value!r}")
    if len(value) < schema.get("minLength", 0):
        raise _invalid(path, f"must be at least {schema['minLength']} characters long")
    if len(value) > schema.get("maxLength", len(value)):
        raise _invalid(path, f"must be at most {schema['maxLength']} characters long")


def _check_number(path: str, value: float, schema: dict[str, Any]) -> None:
    if value < schema.get("minimum", value):
        raise _invalid(path, f"must be greater than or equal to {schema['minimum']}")
    if value > schema.get("maximum", value):
        raise _invalid(path, f"must be less than or equal to {schema['maximum']}")


def _invalid(path: str, problem: str) -> JujuError:
    return JujuError(f"validation failed: {path} : {problem}")
