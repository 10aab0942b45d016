"""Pacemaker's commands of a cluster with so many hypervisors, answered from memory.

What they take by themselves is measured elsewhere, with Pacemaker's own. The answers have the form
of 2.1.5's, and are no recordings.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Sequence

from jujulab.scale import configuration
from jujulab.scale.cloud import identifier, name, out

MEMBERS = ("juju-1", "juju-2", "juju-3")
KEY = "consumer:token:secret"
NO_SUCH = 105
OLD = 100000
"""Seconds for which all is as it is."""


class Recorded:
    """Runs commands; see `masakari_fencing.commands.Runner`. What is changed stays as it is.

    Args:
        size: how many hypervisors.
        url: where the cloud and MAAS are.
        lost: the first so many of those that are in service are lost, and not fenced.
    """

    def __init__(self, size: int, url: str, lost: int = 0) -> None:
        names = [name(number) for number in range(1, size + 1)]
        gone = set([one for one in names if one not in {name(n) for n in out(size)}][:lost])
        self._status = _status(names, gone)
        self._configuration = _configuration(names, url, size)
        states = "".join(
            f'<node_state id="{one}" uname="{one}" remote_node="true" node_fenced="0"/>'
            for one in names
        )
        self._cib = (
            '<cib crm_feature_set="3.10.0" validate-with="pacemaker-3.8" epoch="9" num_updates="0"'
            f' admin_epoch="0" have-quorum="1" dc-uuid="1">{self._configuration}'
            f"<status>{states}</status></cib>"
        )
        self.commands = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Answer a command."""
        self.commands += 1
        answer = self._answer(list(argv))
        code = answer if isinstance(answer, int) else 0
        text = "" if isinstance(answer, int) else answer
        return subprocess.CompletedProcess(list(argv), code, text, "")

    def _answer(self, argv: list[str]) -> str | int:
        if argv[0] == "crm_mon":
            return self._status
        if argv[0] == "crm_node":
            return "1" if "--quorum" in argv else f"{MEMBERS[0]}\n"
        if argv[0] == "crm_attribute":
            return NO_SUCH
        if argv[:2] == ["stonith_admin", "--list"]:
            items = "<list><item>st-power</item></list>"
            return f'<pacemaker-result api-version="2.25">{items}{_OK}</pacemaker-result>'
        if argv[:2] != ["cibadmin", "--query"]:
            return ""
        if "--xpath" not in argv:
            return self._configuration if "configuration" in argv else self._cib
        wanted = re.search(r"//primitive\[@id='([\w.-]+)'\]", argv[-1])
        found = re.search(
            rf'<primitive id="{re.escape(wanted[1])}".*?</primitive>' if wanted else "$^",
            self._configuration,
        )
        return found[0] if found else NO_SUCH


_OK = '<status code="0" message="OK"/>'


def _status(names: Sequence[str], gone: set[str]) -> str:
    lost = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(time.time() - 300))
    nodes = "".join(
        f'<node name="{one}" id="{n}" online="true" unclean="false" maintenance="false" '
        f'is_dc="{str(one == MEMBERS[0]).lower()}" type="member"/>'
        for n, one in enumerate(MEMBERS, 1)
    ) + "".join(
        f'<node name="{one}" id="{one}" online="{str(one not in gone).lower()}" standby="false" '
        f'unclean="{str(one in gone).lower()}" maintenance="false" is_dc="false" type="remote"/>'
        for one in names
    )
    resources = "".join(
        f'<resource id="{one}" resource_agent="ocf:pacemaker:remote" role="Started" managed="true"'
        f' active="true" orphaned="false" failed="{str(one in gone).lower()}">'
        f'<node name="{MEMBERS[n % 3]}" id="{n % 3 + 1}" cached="true"/></resource>'
        for n, one in enumerate(names)
    )
    failures = "".join(
        f'<failure op_key="{one}_monitor_1000" last-rc-change="{lost}"/>' for one in sorted(gone)
    )
    return (
        '<pacemaker-result api-version="2.25" request="crm_mon"><summary>'
        f'<current_dc present="true" version="2.1.5-a3f44794f94" name="{MEMBERS[0]}" id="1" '
        'with_quorum="true"/><cluster_options stonith-enabled="true" maintenance-mode="false"/>'
        f"</summary><nodes>{nodes}</nodes><resources>{resources}</resources>"
        f"<failures>{failures}</failures>{_OK}</pacemaker-result>"
    )


def _configuration(names: Sequence[str], url: str, size: int) -> str:
    """Return the charm's configuration, with MAAS, and a record of each recovery.

    Half of the recoveries have failed; the hosts of all of them have been out ever since.
    """
    addresses = {one: f"10.0.{n // 250}.{n % 250}" for n, one in enumerate(names)}
    text = configuration.resources(MEMBERS, addresses).replace("fence_scale", "external/maas")
    own = "".join(
        f'<nvpair id="st-power-{key}" name="{key}" value="{value}"/>'
        for key, value in (
            ("hostnames", " ".join(names)), ("url", f"{url}/MAAS"), ("apikey", KEY)
        )
    )  # fmt: skip
    text = text.replace('id="st-power-ia">', f'id="st-power-ia">{own}', 1)
    records = "".join(_record(n, "failed" if n // 100 % 2 else "recovered") for n in out(size))
    return text.replace("</crm_config>", f"{records}</crm_config>", 1)


def _record(number: int, outcome: str) -> str:
    ended = {"outcome": outcome, "reason": "", "time": time.time() - OLD}
    content = json.dumps({"version": 1, "end": ended, "attempts": 1}).replace('"', "&quot;")
    title = f"masakari-fencing-recovery-{name(number)}"
    pairs = {"by": identifier(7, number), "engine": "", "token": "1", "record": content}
    inner = "".join(
        f'<nvpair id="{title}-{key}" name="{title}-{key}" value="{value}"/>'
        for key, value in pairs.items()
    )
    return f'<cluster_property_set id="{title}">{inner}</cluster_property_set>'
