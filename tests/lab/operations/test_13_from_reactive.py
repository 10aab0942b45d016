"""A refresh in the place of the reactive charms, from what they leave on the machines.

These cannot run here. So the way back to them is gone first, as its document says, and what they
would have left is put there; see `docs/from-reactive-charms.md`.
"""

from __future__ import annotations

import re
import textwrap

from jujulab.cloud.guests import Guests
from jujulab.files import REPOSITORY
from jujulab.juju import pack
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import PREFIX, Deployment
from jujulab.trials.experiment import Experiment
from operating import OURS, Operator, wait_until
from test_7_removal import TAKES, Peace, places

DOCUMENT = REPOSITORY / "docs/from-reactive-charms.md"
DROP_IN = "/etc/systemd/system/pacemaker_remote.service.d/10-guard.conf"
KEY = "/etc/pacemaker/authkey"
SITE = "/etc/apache2/sites-enabled/masakari-api.conf"
ENGINE = "/etc/systemd/system/masakari-engine.service.d"


def commands() -> list[str]:
    """What the document has an operator run: on one unit of masakari, then on each."""
    back = DOCUMENT.read_text(encoding="utf-8").split("\n## Back\n")[1]
    return [textwrap.dedent(found) for found in re.findall(r"(?:^    .*\n)+", back, re.MULTILINE)]


def shell(machine: Machine, script: str) -> str:
    return machine.run(["/bin/sh", "-ec", script], timeout=180).stdout


def go_back(operator: Operator) -> None:
    """Take what is ours from the cluster and the machines."""
    units = list(operator.machines("masakari").values())
    once, each = commands()
    assert "masakari-fencing" in shell(units[0], once)
    for machine in units:
        shell(machine, each)
    for machine in operator.machines("pacemaker-remote").values():
        shell(machine, f"rm {DROP_IN} && systemctl daemon-reload")


def leave(operator: Operator) -> None:
    """Leave what the reactive charms do, as far as the lab's machines have it."""
    for machine in operator.machines("masakari").values():
        shell(machine, f"mkdir -p {SITE.rpartition('/')[0]} && echo 'Listen 15868' > {SITE}")
    for machine in operator.machines("pacemaker-remote").values():
        shell(machine, f"chmod 0444 {KEY}")


def refresh(operator: Operator, application: str) -> None:
    path = pack.pack(REPOSITORY / "charms" / application, operator.demo.lab.cache / "charms")
    revision = operator.juju.status().apps[application].charm_rev
    operator.juju.refresh(application, path=path)
    wait_until(
        f"{application} is refreshed",
        lambda: operator.juju.status().apps[application].charm_rev != revision,
        60,
    )
    operator.settle(TAKES)


def segments(operator: Operator) -> str:
    found = operator.action("masakari/leader", "list-segments")
    return str(found["segments"])


def test_a_refresh_finds_everything_and_disturbs_nobody(
    operator: Operator, on_duty: Deployment
) -> None:
    operator.settle()
    on_duty.boot_guests(3)
    guests = Guests(on_duty.lab, on_duty.cloud)
    known = segments(operator)
    peace = Peace(on_duty, guests)
    go_back(operator)
    leave(operator)
    for application in OURS:
        refresh(operator, application)
    peace.check()
    assert segments(operator) == known
    for machine in operator.machines("masakari").values():
        assert machine.run(["test", "-e", SITE], check=False).returncode == 1
        shell(machine, f"test -d {ENGINE}")
        for service in OURS["masakari"]:
            shell(machine, f"systemctl is-active {service}")
    for machine in operator.machines("pacemaker-remote").values():
        assert shell(machine, f"stat -c %a {KEY}").strip() == "440"
        shell(machine, f"test -f {DROP_IN}")
    assert Experiment(on_duty).lose_hypervisor(next(iter(places(guests).values()))) == []
    guests.delete(PREFIX)
