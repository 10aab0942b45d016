"""Options and action parameters take what Juju would let through, and nothing else."""

from typing import Any

import pytest
from jujulab.juju.errors import JujuError
from jujulab.juju.options import Action, Option, parse_options


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "3", "3"),
        ("int", "42", 42),
        ("int", 42, 42),
        ("float", "1.5", 1.5),
        ("boolean", "true", True),
        ("boolean", "0", False),
        ("boolean", False, False),
        ("string", None, None),
    ],
)
def test_values_that_fit(kind: str, value: Any, expected: Any) -> None:
    result = Option(kind).coerce("o", value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 3),
        ("string", True),
        ("int", True),
        ("int", "four"),
        ("int", 1.0),
        ("float", 3),
        ("boolean", "yes"),
        ("boolean", 1),
        ("secret", "password"),
    ],
)
def test_values_that_do_not_fit(kind: str, value: Any) -> None:
    with pytest.raises(JujuError, match=f'option "o" expected {kind}'):
        Option(kind).coerce("o", value)


def test_a_default_has_to_fit_its_type() -> None:
    with pytest.raises(ValueError, match="invalid config default"):
        parse_options({"o": {"type": "int", "default": "many"}})


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match='"o" has unknown type'):
        parse_options({"o": {"type": "text"}})


SEGMENT = Action(
    "create-segment",
    params={
        "name": {"type": "string", "maxLength": 9, "pattern": "^[a-z0-9-]+$"},
        "method": {"type": "string", "enum": ["auto", "reserved_host"], "default": "auto"},
        "retries": {"type": "integer", "minimum": 0, "maximum": 9},
        "hosts": {"type": "array", "items": {"type": "string"}},
        "limits": {"type": "object", "properties": {"cpu": {"type": "number", "default": 1}}},
    },
    required=("name",),
    additional=False,
)


def test_defaults_are_filled_in_at_all_depths() -> None:
    values = SEGMENT.validate({"name": "rack1", "limits": {}})
    assert values == {"name": "rack1", "method": "auto", "limits": {"cpu": 1}}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, '"name" property is missing and required'),
        ({"name": "r", "label": "s"}, 'additional property "label" is not allowed'),
        ({"name": 3}, "must be of type string"),
        ({"name": "much-too-long"}, "at most 9 characters"),
        ({"name": "Rack 1"}, "does not match pattern"),
        ({"name": "r", "method": "magic"}, "must be one of"),
        ({"name": "r", "retries": -1}, "greater than or equal to 0"),
        ({"name": "r", "retries": 10}, "less than or equal to 9"),
        ({"name": "r", "retries": True}, "must be of type integer"),
        ({"name": "r", "hosts": ["a", 1]}, r"\(root\).hosts.1 : must be of type string"),
        ({"name": "r", "limits": {"cpu": "all"}}, r"\(root\).limits.cpu : must be of type number"),
    ],
)
def test_parameters_that_do_not_fit(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(JujuError, match=problem):
        SEGMENT.validate(values)
