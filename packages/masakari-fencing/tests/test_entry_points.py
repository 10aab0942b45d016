"""What Masakari finds by name is there, and its flows name it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import masakari_fencing
import pytest

SOURCE = Path(masakari_fencing.__file__).parents[1]
PROJECT = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
POINTS = dict(re.findall(r'^(\w+) = "(masakari_fencing\.[\w.]+:\w+)"$', PROJECT, re.MULTILINE))


def test_there_are_entry_points() -> None:
    assert len(POINTS) == PROJECT.count('"masakari_fencing.')


@pytest.mark.parametrize("name", sorted(POINTS))
def test_an_entry_point_leads_somewhere(name: str) -> None:
    """Looked up in the source: Masakari need not be installed."""
    module, _, wanted = POINTS[name].partition(":")
    tree = ast.parse((SOURCE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert wanted in defined


def test_the_flows_name_the_entry_points() -> None:
    own = {name for name in POINTS if name.endswith("_task")}
    flows = (
        masakari_fencing.AUTO_RECOVERY_TASKS,
        masakari_fencing.RESERVED_HOST_RECOVERY_TASKS,
        masakari_fencing.INSTANCE_RECOVERY_TASKS,
        masakari_fencing.PROCESS_RECOVERY_TASKS,
    )
    named = {task for flow in flows for task in re.findall(r"'(\w+)'", flow)}
    assert own <= named, "each is used"
    masakaris = {
        "disable_compute_node_task",
        "disable_compute_service_task",
    }
    assert named - own == masakaris
    assert masakari_fencing.DRIVER in POINTS
    assert masakari_fencing.SHARED_LOGIN in POINTS


def test_nothing_is_recovered_before_the_host_is_proven_dead_and_held_for_down() -> None:
    """Nova calls a service that it disables, which ends only with a timeout on a dead host."""
    for flow in (
        masakari_fencing.AUTO_RECOVERY_TASKS,
        masakari_fencing.RESERVED_HOST_RECOVERY_TASKS,
    ):
        assert re.findall(r"(\w+):\[([^]]*)\]", flow) == [
            ("pre", ",".join(f"'{task}'" for task in masakari_fencing.PRE_TASKS)),
            ("main", f"'{masakari_fencing.EVACUATE_TASK}'"),
            ("post", ""),
        ]
    assert masakari_fencing.PRE_TASKS == (
        "ensure_host_fenced_task",
        "force_compute_service_down_task",
        "disable_compute_service_task",
    )
