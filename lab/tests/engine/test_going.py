"""A charm of this repository's kind goes under Juju 4's rules: real ops, real hook tools."""

import shutil
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2]
COMMON = LAB.parent / "packages" / "instance-ha-common" / "src"
METADATA = """\
name: guest
summary: Goes as the charms do.
subordinate: true
requires:
  tie: {interface: juju-info, scope: container}
  sink: {interface: toy}
"""
CHARM = f"""\
import dataclasses
import os
import sys
from pathlib import Path

sys.path.insert(0, "{COMMON}")

from instance_ha_common.juju.charm import Charm, run
from instance_ha_common.machine.host import Host
from instance_ha_common.juju.problems import Verdict
from instance_ha_common.juju.databag import publish

ROOT = Path(os.environ["JUJU_CHARM_DIR"], "..", "..", "..").resolve()


class Guest(Charm):
    tie = "tie"

    def __init__(self, framework):
        super().__init__(framework, dataclasses.replace(Host.local(), root=ROOT))

    def reconcile(self, event):
        for relation in self.model.relations["sink"]:
            publish(relation, self.unit, {{"name": self.unit.name}})

    def judge(self):
        return Verdict()

    def cleaning(self, event):
        def note():
            with (ROOT / "cleaned").open("a") as file:
                print(type(event).__name__, file=file)

        return self.unit.set_ports, note


run(Guest)
"""


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """The charm, packed as Juju 4 wants it."""
    charm = tmp_path / "guest"
    (charm / "src").mkdir(parents=True)
    (charm / "metadata.yaml").write_text(METADATA)
    (charm / "src" / "charm.py").write_text(CHARM)
    (charm / "dispatch").write_text(f"#!/bin/sh\nexec {sys.executable} src/charm.py\n")
    (charm / "dispatch").chmod(0o755)
    archive = shutil.make_archive(str(tmp_path / "guest"), "zip", charm)
    return Path(shutil.move(archive, tmp_path / "guest.charm"))


@pytest.mark.timeout(300)  # twenty hooks of a Python charm
def test_no_hook_of_a_subordinate_fails_while_it_goes(lab_juju4, guest, tmp_path):
    principal = LAB / "tests" / "charms" / "principal"
    shutil.make_archive(str(tmp_path / "principal"), "zip", principal)
    packed = shutil.move(tmp_path / "principal.zip", tmp_path / "principal.charm")
    lab_juju4.deploy(packed, "web")
    lab_juju4.deploy(packed, "db")
    lab_juju4.deploy(guest, "guest")
    lab_juju4.integrate("web:juju-info", "guest:tie")
    lab_juju4.integrate("guest:sink", "db:source")
    lab_juju4.settled("web", "db", "guest")
    machine = lab_juju4.peek().apps["web"].units["web/0"].machine
    lab_juju4.cli("remove-application", "--no-prompt", "guest")
    lab_juju4.until(lambda status: "guest" not in status.apps)
    log = (lab_juju4.home / "logs" / "unit-guest-0.log").read_text()
    assert "failed" not in log
    assert "connection is shutdown before send" in log, "else this shows nothing"
    cleaned = (lab_juju4.machine(machine).juju_dir / "cleaned").read_text().splitlines()
    assert cleaned[-1] == "StopEvent"
    assert len(cleaned) == 2, "at the first word of its end, and at the last"
    assert not list((lab_juju4.machine(machine).juju_dir / "var/lib/guest-charm").iterdir())
