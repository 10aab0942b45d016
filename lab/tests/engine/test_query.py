"""The query language of wait-for."""

import pytest
from jujulab.cli.query import QueryError, compile_query

APP = {
    "name": "keystone",
    "life": "alive",
    "status": "active",
    "scale": 2,
    "exposed": False,
    "units": {
        "keystone/0": {"workload-status": "active", "leader": True},
        "keystone/1": {"workload-status": "waiting", "leader": False},
    },
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('status=="active"', True),
        ("status=='blocked' || life == \"alive\"", True),
        ('status=="active" && life=="dead"', False),
        ('name=="x" || status=="active" && life=="alive"', True),
        ('!(status=="active")', False),
        ("!exposed", True),
        ("len(units) >= 2 && scale < 3", True),
        ('forEach(units, unit => unit.workload-status == "active")', False),
        ('forEach(units, u => u.workload-status == "active" || !u.leader)', True),
        ('units["keystone/1"].workload-status != "active"', True),
        ('startsWith(name, "key") && endsWith(name, "stone")', True),
        ('string(scale) == "2" && int("2") == scale', True),
        ("true", True),
    ],
)
def test_queries(query: str, expected: bool) -> None:
    assert compile_query(query)(APP) is expected


@pytest.mark.parametrize(
    "query",
    ["", "status ==", "(status", 'status="active"', "nope(1)", "len(1, 2)", "a b", "status == #",
     "forEach(units, 3 => true)", "units.3"],
)  # fmt: skip
def test_malformed_queries_are_refused(query: str) -> None:
    with pytest.raises(QueryError):
        compile_query(query)


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(QueryError, match="'state' is not there; there is: exposed, life"):
        compile_query('state == "active"')(APP)


def test_things_of_different_kinds_cannot_be_compared() -> None:
    with pytest.raises(QueryError, match="cannot compare"):
        compile_query("name > 3")(APP)
