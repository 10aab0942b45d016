"""Constraints are read into one notation."""

import pytest
from jujulab.bundle.constraints import parse_constraints, with_spaces


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", {}),
        ("mem=4G cores=2", {"mem": "4096", "cores": "2"}),
        ("mem=0.5G", {"mem": "512"}),
        ("mem=1.2M", {"mem": "2"}),
        ("root-disk=1T", {"root-disk": "1048576"}),
        ("cpu-cores=08", {"cores": "8"}),
        ("tags=b,a", {"tags": "a,b"}),
        ("spaces=^public,internal", {"spaces": "^public,internal"}),
        ("arch=", {"arch": ""}),
        ("container=lxd arch=arm64", {"container": "lxd", "arch": "arm64"}),
        ("allocate-public-ip=True", {"allocate-public-ip": "true"}),
    ],
)
def test_constraints_are_read(text, parsed):
    assert parse_constraints(text) == parsed


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("mem", 'malformed constraint "mem"'),
        ("speed=1", 'unknown constraint "speed"'),
        ("mem=1G mem=2G", '"mem" is given twice'),
        ("cores=1 cpu-cores=1", '"cores" is given twice'),
        ("mem=much", 'bad "mem" constraint'),
        ("mem=-1G", 'bad "mem" constraint'),
        ("cores=-1", 'bad "cores" constraint'),
        ("cores=1.5", 'bad "cores" constraint'),
        ("arch=z80", 'bad "arch" constraint: "z80" is none of'),
        ("container=docker", 'bad "container" constraint'),
        ("spaces=Public", 'bad "spaces" constraint'),
        ("allocate-public-ip=1", 'bad "allocate-public-ip" constraint'),
    ],
)
def test_other_constraints_are_refused(text, rule):
    with pytest.raises(ValueError, match=rule):
        parse_constraints(text)


@pytest.mark.parametrize(
    ("text", "bindings", "result"),
    [
        ("mem=1G", {}, "mem=1G"),
        ("mem=1G", {"": ""}, "mem=1G"),
        ("mem=1G", {"": "b", "db": "a"}, "spaces=a,b mem=1G"),
        ("spaces=c,^d", {"db": "a"}, "spaces=a,c,^d"),
    ],
)
def test_spaces_of_bindings_are_added(text, bindings, result):
    assert with_spaces(text, bindings) == result


def test_a_space_that_is_excluded_cannot_be_added():
    with pytest.raises(ValueError, match='"a" is bound, and excluded'):
        with_spaces("spaces=^a", {"db": "a"})
