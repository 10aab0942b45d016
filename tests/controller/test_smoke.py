"""Deploys the bundle with the overlay on a real cloud: the shortest proof that both fit.

It needs a controller on MAAS whose models have the spaces of bundles/base.yaml, four machines, the
packed charms, and an overlay with the cloud's values:

    SMOKE_OVERLAY=values.yaml tox run -e controller -- --model cloud --keep-models

With `--model` the overlay is added to what runs there; without, a new model is made.
"""

import pytest
import yaml
from conftest import REPOSITORY

BASE = REPOSITORY / "bundles" / "base.yaml"
OVERLAY = REPOSITORY / "overlays" / "masakari.yaml"
OURS = ("masakari", "masakari-monitors", "pacemaker-remote")
SETTLE_TIMEOUT = 2 * 3600.0

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("packed")]


async def juju(ops_test, *words):
    """Run the Juju client on the test's model; its output, or a failure with its complaint."""
    _, out, _ = await ops_test.juju(*words, check=True, fail_msg=" ".join(map(str, words[:2])))
    return out


@pytest.mark.abort_on_fail
async def test_the_overlay_becomes_active(values, ops_test):
    """python-libjuju uploads no local charms that an overlay names, so the client deploys."""
    await juju(
        ops_test, "deploy", str(BASE), "--overlay", str(OVERLAY), "--overlay", str(values),
        "--map-machines=existing",
    )  # fmt: skip
    apps = list(yaml.safe_load(OVERLAY.read_text())["applications"])
    await ops_test.model.wait_for_idle(
        apps=apps, status="active", timeout=SETTLE_TIMEOUT, raise_on_error=False
    )


@pytest.mark.abort_on_fail
async def test_our_units_are_ready(ops_test):
    for name in OURS:
        units = ops_test.model.applications[name].units
        assert units, f"{name} has no unit"
        assert {unit.workload_status_message for unit in units} == {"Unit is ready"}


async def test_the_api_answers(ops_test):
    units = ops_test.model.applications["masakari"].units
    (leader,) = [unit for unit in units if await unit.is_leader_from_status()]
    action = await (await leader.run_action("list-segments")).wait()
    assert action.status == "completed", action.results


async def test_deploying_again_changes_nothing(values, ops_test):
    before = {name: app.charm_url for name, app in ops_test.model.applications.items()}
    out = await juju(
        ops_test, "deploy", str(BASE), "--overlay", str(OVERLAY), "--overlay", str(values),
        "--map-machines=existing", "--dry-run",
    )  # fmt: skip
    assert not [line for line in out.splitlines() if "add unit" in line or "add relation" in line]
    assert {name: app.charm_url for name, app in ops_test.model.applications.items()} == before
