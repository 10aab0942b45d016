"""Records what a release of Pacemaker prints about a hypervisor, in each state of it.

    PYTHONPATH=lab python tests/lab/releases/record.py 2.1.6 --tree DIR

makes a lab of its own with two machines, a member and a remote node, and writes the outputs to
`packages/masakari-fencing/tests/fixtures/pacemaker-2.1.6`. DIR is what `make install DESTDIR=DIR`
left of that release (configured for /usr, with Corosync); it is put over the packages of the lab's
Debian. Needs root; two or three minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from jujulab.machines.lab import Lab, Machine

REPOSITORY = Path(__file__).resolve().parents[3]
FIXTURES = REPOSITORY / "packages/masakari-fencing/tests/fixtures"
STATUS = ["crm_mon", "--output-as=xml", "--inactive", "--fence-history=3"]
STATE = ["cibadmin", "--query", "--xpath", "//node_state[@uname='rem1']"]
ATTRIBUTE = ["crm_attribute", "--type=crm_config"]
QUESTIONS = [
    ["cibadmin", "--query", "--xpath", "//lrm_resource[@id='rem1']/lrm_rsc_op"],
    ["cibadmin", "--query", "--xpath", "//primitive[@id='rem1']|//node[@id='rem1']"],
    ["cibadmin", "--query", "--xpath", "//node_state[@uname='nobody']"],
    ["cibadmin", "--query", "--scope", "configuration"],
    ["stonith_admin", "--list", "rem1", "--output-as=xml"],
    ["stonith_admin", "--list", "nobody", "--output-as=xml"],
    [*ATTRIBUTE, "--name=stonith-action", "--query", "--quiet"],
    [*ATTRIBUTE, "--name=no-quorum-policy", "--query", "--quiet"],
    ["crm_node", "--quorum"],
    ["crm_node", "--name"],
]
"""What else this project asks the cluster."""

LIBRARIES = " ".join(
    f"/usr/lib/*/lib{name}.so.*"
    for name in ("cib", "crm*", "lrmd", "pacemaker", "pe_*", "stonithd")
)
"""Pacemaker's own."""

CONF = """\
totem {{
    version: 2
    transport: udpu
}}
nodelist {{
    node {{
        ring0_addr: {address}
        name: ha1
        nodeid: 1000
    }}
}}
quorum {{
    provider: corosync_votequorum
}}
logging {{
    to_syslog: yes
}}
"""

AGENT = """\
#!/bin/sh
# A fence agent that switches nothing: the recorder has cut the power, or will.
action="$1"
[ "$action" ] || while read -r line; do
    case "$line" in action=*) action="${line#action=}";; esac
done
case "$action" in
metadata|meta-data|-o) cat <<X
<?xml version="1.0"?><resource-agent name="fence_lab" shortdesc="none"><longdesc>None</longdesc>
<vendor-url/><parameters><parameter name="plug"><content type="string"/></parameter></parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/>
<action name="monitor"/><action name="list"/><action name="metadata"/></actions></resource-agent>
X
;;
off|reboot) [ -e /run/fence-slow ] && sleep 8; [ ! -e /run/fence-fails ];;
esac
"""

CIB = """\
<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
  <nvpair id="o1" name="stonith-enabled" value="true"/>
  <nvpair id="o2" name="symmetric-cluster" value="false"/>
  <nvpair id="o3" name="no-quorum-policy" value="stop"/>
</cluster_property_set></crm_config><resources>
  <primitive id="rem1" class="ocf" provider="pacemaker" type="remote">
    <instance_attributes id="rem1-ia"><nvpair id="rem1-s" name="server" value="{address}"/>
      <nvpair id="rem1-r" name="reconnect_interval" value="5"/></instance_attributes>
    <operations><op id="rem1-m" name="monitor" interval="2s" timeout="4s"/>
      <op id="rem1-st" name="start" interval="0s" timeout="6s"/></operations></primitive>
  <primitive id="st-maas" class="stonith" type="fence_lab">
    <instance_attributes id="st-ia"><nvpair id="st-l" name="pcmk_host_list" value="rem1"/>
      <nvpair id="st-c" name="pcmk_host_check" value="static-list"/></instance_attributes>
  </primitive>
</resources><constraints>
  <rsc_location id="l1" rsc="rem1" node="ha1" score="0"/>
  <rsc_location id="l2" rsc="st-maas" node="ha1" score="0"/>
</constraints></configuration>
"""


class Recorder:
    """A member and a remote node.

    Args:
        lab: where they are.
        folder: where the outputs go.
    """

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.member, self.remote = lab.create("1"), lab.create("2")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, tree: Path | None) -> None:
        """Install the release on both machines, and form the cluster."""
        for machine, package in ((self.member, "pacemaker"), (self.remote, "pacemaker-remote")):
            machine.start()
            packages = ["corosync"] if package == "pacemaker" else []
            install = [
                "apt-get",
                "install",
                "-y",
                "-qq",
                package,
                "pacemaker-cli-utils",
                *packages,
            ]
            _run(machine, ["env", "DEBIAN_FRONTEND=noninteractive", *install], timeout=400)
            _run(
                machine, ["systemctl", "stop", "pacemaker", "corosync", "pacemaker_remote"], False
            )
            if tree is not None:
                _copy(tree, machine)
            _write(machine, "/etc/pacemaker/authkey", "k" * 4096)
            _write(machine, "/usr/sbin/fence_lab", AGENT, mode="0755")
        _write(self.member, "/etc/corosync/corosync.conf", CONF.format(address=_at(self.member)))
        _run(self.member, ["sh", "-c", "rm -rf /var/lib/pacemaker/cib/*"])
        _run(self.remote, ["systemctl", "restart", "pacemaker_remote"])
        _run(self.member, ["systemctl", "restart", "corosync", "pacemaker"])
        self.until("a controller", lambda root: root.find("summary/current_dc[@name='ha1']"))
        text = CIB.format(address=_at(self.remote))
        argv = ["cibadmin", "--modify", "--allow-create", "--xml-pipe"]
        self.member.run(argv, input=text, timeout=30)

    def record(self) -> None:
        """Go through the states of the hypervisor."""
        self.until("online", _role("Started"))
        self.save("online")
        self.ask()
        self.touch("fails")
        self.remote.power_off()
        self.until("outage", lambda root: root.find("*/fence_event[@status='failed']"))
        self.save("outage")
        self.touch("slow")
        self.until("pending", lambda root: root.find("*/fence_event[@status='pending']"))
        self.save("pending")
        _run(self.member, ["rm", "-f", "/run/fence-fails"])
        self.until("fenced", lambda root: root.find("*/fence_event[@status='success']"))
        self.until("clean", lambda root: root.find("nodes/node[@name='rem1'][@unclean='false']"))
        self.save("fenced")
        self.until("starting", _role("Starting"), pause=0.1)
        self.save("starting")
        self.remote.start()
        self.until("online", _role("Started"))
        self.meta("is-managed", "false")
        _run(self.remote, ["systemctl", "stop", "pacemaker_remote"])
        self.until("unmanaged", _role("Stopped"))
        self.save("unmanaged")
        _run(self.remote, ["systemctl", "start", "pacemaker_remote"])
        self.meta("is-managed", "true")
        _run(self.member, ["crm_resource", "--resource", "rem1", "--cleanup"])
        self.until("online", _role("Started"))
        self.meta("target-role", "Stopped")
        self.until("stopped", _role("Stopped"))
        self.save("target-stopped")
        self.meta("target-role", "Started")
        self.until("online", _role("Started"))
        self.note("fenced when its connection is removed", self.removal())

    def removal(self) -> bool:
        """Whether a live remote node is fenced when its connection is taken out of the cluster."""
        before = len(self.look().findall("*/fence_event"))
        for path in ("//rsc_location[@id='l1']", "//primitive[@id='rem1']"):
            _run(self.member, ["cibadmin", "--delete", "--xpath", path])
        time.sleep(15)
        return len(self.look().findall("*/fence_event")) > before

    def ask(self) -> None:
        """Record what else the cluster is asked."""
        for argv in QUESTIONS:
            done = self.member.run(argv, timeout=30, check=False)
            self.note(" ".join(argv), [done.returncode, done.stdout])

    def note(self, name: str, value: object) -> None:
        """Add to the file of answers."""
        path = self.folder / "answers.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, name: value}, indent=1) + "\n")

    def save(self, name: str) -> None:
        """Record a state."""
        for what, argv in (("crm_mon", STATUS), ("node_state", STATE)):
            done = self.member.run(argv, timeout=30)
            (self.folder / f"{name}.{what}.xml").write_text(done.stdout)
        print(f"recorded: {name}", flush=True)

    def meta(self, name: str, value: str) -> None:
        """Set a meta attribute of the connection."""
        argv = ["crm_resource", "--resource", "rem1", "--meta", "--set-parameter", name]
        _run(self.member, [*argv, "--parameter-value", value])

    def touch(self, name: str) -> None:
        """Have the fence agent fail, or take its time."""
        _run(self.member, ["touch", f"/run/fence-{name}"])

    def look(self) -> ET.Element:
        """The cluster's status."""
        done = self.member.run(STATUS, timeout=30, check=False)
        return ET.fromstring(done.stdout or "<none/>")  # noqa: S314 - our own cluster

    def until(
        self, what: str, found: Callable[[ET.Element], object], *, pause: float = 0.5
    ) -> None:
        """Wait until the status has something."""
        deadline = time.monotonic() + 180
        while found(self.look()) is None:
            if time.monotonic() > deadline:
                for argv in (["crm_mon", "-1rf"], ["journalctl", "-u", "pacemaker", "-n", "40"]):
                    print(self.member.run(argv, check=False).stdout)
                sys.exit(f"never: {what}")
            time.sleep(pause)


def _role(role: str) -> Callable[[ET.Element], object]:
    return lambda root: root.find(f"resources/resource[@id='rem1'][@role='{role}']")


def _at(machine: Machine) -> str:
    return str(machine.addresses["admin"].ip)


def _run(machine: Machine, argv: Sequence[str], check: bool = True, timeout: float = 60) -> None:
    machine.run(argv, timeout=timeout, check=check)


def _write(machine: Machine, path: str, text: str, mode: str = "0640") -> None:
    script = f"mkdir -p $(dirname {path}); cat > {path}; chmod {mode} {path}"
    machine.run(["sh", "-c", f"{script}; chgrp haclient {path}"], input=text, timeout=30)


def _copy(tree: Path, machine: Machine) -> None:
    """Put the release over the machine's packages."""
    packed = subprocess.run(
        ["tar", "--create", "--directory", str(tree), "usr"], capture_output=True, check=True
    )
    # The linker takes the latest library of a name, and Pacemaker the latest schema.
    _run(machine, ["sh", "-c", f"rm -f /usr/share/pacemaker/*.rng {LIBRARIES}"])
    # Not the configuration: the machine's own stays.
    unpack = machine.popen(["tar", "--extract", "--directory", "/"], stdin=subprocess.PIPE)
    unpack.communicate(packed.stdout, timeout=120)
    _run(machine, ["ldconfig"])


def main() -> None:
    """Record one release."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", help="such as 2.1.6")
    parser.add_argument("--tree", type=Path, help="what it was installed to; none: the Debian's")
    arguments = parser.parse_args()
    lab = Lab(Path("/var/lib/juju-lab-releases"))
    try:
        lab.up()
        recorder = Recorder(lab, FIXTURES / f"pacemaker-{arguments.release}")
        recorder.prepare(arguments.tree)
        recorder.record()
    finally:
        lab.clean()


if __name__ == "__main__":
    main()
