"""The way back to the older charms: the command that the document gives does what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs/from-reactive-charms.md"
PACKAGE = REPOSITORY / "packages/masakari-fencing/src"

CIB = """<cib><configuration><crm_config>
<cluster_property_set id="masakari-fencing-options"><nvpair id="masakari-fencing-load"
  name="load-threshold" value="1000%"/></cluster_property_set></crm_config><nodes/>
<resources><primitive id="node1" class="ocf" provider="pacemaker" type="remote"><operations>
  <op id="node1-m" name="monitor" interval="1s" timeout="4s"/></operations></primitive>
  <primitive id="masakari-fencing-guard-st-maas" class="stonith" type="fence_masakari_guard"/>
</resources><constraints/></configuration><status/></cib>"""


def test_what_is_ours_leaves_the_cluster(tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (PYTHONPATH=.*)$", DOCUMENT.read_text(), re.MULTILINE)
    tool, log = tmp_path / "cibadmin", tmp_path / "log"
    (tmp_path / "cib.xml").write_text(CIB)
    tool.write_text(f'#!/bin/sh\necho "$@" >> {log}\ncat >> {log}\ncat {tmp_path}/cib.xml\n')
    tool.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", command.replace("/usr/share/masakari-fencing", str(PACKAGE))],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "removed masakari-fencing-guard-st-maas" in done.stdout
    assert "removed masakari-fencing-options" in done.stdout
    asked = log.read_text()
    assert 'interval="30s"' in asked, "hacluster's own timing"
    assert "--delete --xpath //primitive[@id='masakari-fencing-guard-st-maas']" in asked
