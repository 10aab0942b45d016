"""The way from the older charms, and back: what the document says of files and commands is so."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

from ops.storage import SQLiteStorage

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs/from-reactive-charms.md"
PACKAGE = REPOSITORY / "packages/masakari-fencing/src"
TESTS = PACKAGE.with_name("tests")

CIB = """<cib have-quorum="1" dc-uuid="1"><configuration><crm_config>
<cluster_property_set id="cib-bootstrap-options"><nvpair id="options-dc-version"
  name="dc-version" value="2.1.5-a3f44794f94"/></cluster_property_set>
<cluster_property_set id="masakari-fencing-options"><nvpair id="masakari-fencing-load"
  name="load-threshold" value="1000%"/></cluster_property_set></crm_config><nodes/>
<resources><primitive id="node1" class="ocf" provider="pacemaker" type="remote"><operations>
  <op id="node1-m" name="monitor" interval="1s" timeout="4s"/></operations></primitive>
  <primitive id="masakari-fencing-guard-st-maas" class="stonith" type="fence_masakari_guard"/>
</resources><constraints/></configuration><status/></cib>"""


TOOL = """#!{python}
import sys
from pathlib import Path

sys.path.append({tests!r})
from fencing_cib import Cib

file = Path({file!r})
cib = Cib(file.read_text())
answer = cib.answer(sys.argv, sys.stdin.read() if "--xml-pipe" in sys.argv else None)
file.write_text(cib.text)
sys.exit(answer if isinstance(answer, int) else print(answer))
"""


def test_what_is_ours_leaves_the_cluster(tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (PYTHONPATH=.*)$", DOCUMENT.read_text(), re.MULTILINE)
    tool, cib = tmp_path / "cibadmin", tmp_path / "cib.xml"
    cib.write_text(CIB)
    tool.write_text(TOOL.format(python=sys.executable, tests=str(TESTS), file=str(cib)))
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
    left = cib.read_text()
    assert 'interval="30s"' in left, "hacluster's own timing"
    assert "masakari-fencing" not in left
    assert "dc-version" in left


def test_ops_keeps_its_state_beside_that_of_the_layers(tmp_path: Path) -> None:
    """Both call the file the same: charmhelpers' `unitdata` and ops."""
    path = tmp_path / ".unit-state.db"
    former = sqlite3.connect(path)
    former.executescript(
        "create table kv (key text primary key, data text);"
        "create table kv_revisions (key text, revision integer, data text);"
        "create table hooks (version integer primary key autoincrement, hook text, date text);"
        "insert into kv values ('reactive.states.config.rendered', 'null');"
    )
    former.commit()
    former.close()
    path.chmod(0o644)
    storage = SQLiteStorage(path)
    storage.save_snapshot("MasakariCharm/State[_stored]", {"known": 1})
    storage.commit()
    assert storage.load_snapshot("MasakariCharm/State[_stored]") == {"known": 1}
    storage.close()
    assert path.stat().st_mode & 0o777 == 0o600
