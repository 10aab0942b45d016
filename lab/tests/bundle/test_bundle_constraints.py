"""Constraints are known, well formed and given once."""

import pytest
from jujulab.bundle.names import parse_constraints


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", {}),
        ("mem=4G cores=2", {"mem": "4G", "cores": "2"}),
        ("mem=0.5G", {"mem": "0.5G"}),
        ("root-disk=1T", {"root-disk": "1T"}),
        ("cpu-cores=08", {"cores": "08"}),
        ("tags=b,a", {"tags": "b,a"}),
        ("spaces=^public,internal", {"spaces": "^public,internal"}),
        ("arch=", {"arch": ""}),
        ("container=lxd arch=arm64", {"container": "lxd", "arch": "arm64"}),
        ("allocate-public-ip=True", {"allocate-public-ip": "True"}),
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
        ("mem=much", 'bad "mem" constraint: "much" must be a non-negative number with an'),
        ("mem=-1G", 'bad "mem" constraint'),
        ("cores=-1", 'bad "cores" constraint: "-1" must be a non-negative integer'),
        ("cores=1.5", 'bad "cores" constraint'),
        ("arch=z80", 'bad "arch" constraint: "z80" is none of amd64, arm64'),
        ("container=docker", 'bad "container" constraint: "docker" is none of kvm, lxd, none'),
        ("spaces=Public", 'bad "spaces" constraint: "Public" must be names of spaces'),
        ("allocate-public-ip=1", 'bad "allocate-public-ip" constraint: "1" must be true or false'),
    ],
)
def test_other_constraints_are_refused(text, rule):
    with pytest.raises(ValueError, match=rule):
        parse_constraints(text)
