"""python-libjuju's own parsers accept the bundles and every combination of overlays.

`BundleHandler.fetch_plan` reads and composes the files and hands them to the controller, which
plans. The controller is a double here: it keeps what it is asked and plans nothing.
"""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from combinations import BUNDLES, MASAKARI, combinations
from juju import constraints, placement
from juju.bundle import BundleHandler
from juju.errors import JujuError
from juju.url import URL

COMBINATIONS = list(combinations())
FACADES = {
    "Annotations": 2,
    "Application": 19,
    "Bundle": 6,
    "Charms": 6,
    "Client": 6,
    "MachineManager": 10,
}
"""Versions of the API's parts that a controller of Juju 3 offers and python-libjuju knows."""


class Controller:
    """A connection to a controller that plans no changes.

    Attributes:
        facades: what it offers, name to version.
        asked: the requests, in order.
        errors: what it finds wrong with every bundle.
    """

    def __init__(self) -> None:
        self.facades = FACADES
        self.asked = []
        self.errors = []
        self.is_using_old_client = False

    async def rpc(self, request, encoder=None):
        del encoder
        self.asked.append(request)
        return {"response": {"changes": [], "errors": self.errors}}


@pytest.fixture
def controller():
    return Controller()


def fetch_plan(controller, bundle, overlays):
    """Have python-libjuju read the files; return the documents that the controller gets."""
    model = SimpleNamespace(units={}, connection=lambda: controller)
    handler = BundleHandler(model)
    asyncio.run(handler.fetch_plan(bundle, None, overlays=[str(path) for path in overlays]))
    (request,) = controller.asked
    assert (request["type"], request["request"]) == ("Bundle", "GetChangesMapArgs")
    return list(yaml.safe_load_all(request["params"]["yaml"])), handler


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("overlays", COMBINATIONS, ids=lambda c: "+".join(p.stem for p in c))
def test_the_controller_gets_what_the_files_say(controller, bundle, overlays):
    documents, handler = fetch_plan(controller, bundle, overlays)
    assert documents == [yaml.safe_load(path.read_text()) for path in (bundle, *overlays)]
    assert handler.overlay_removed_charms == set()


def test_what_the_controller_finds_wrong_is_an_error(controller):
    controller.errors = ["relation names an application that is not there"]
    with pytest.raises(JujuError, match="names an application"):
        fetch_plan(controller, BUNDLES[0], [MASAKARI])


def test_an_overlay_that_does_not_exist_is_an_error(controller):
    with pytest.raises(JujuError, match="unable to open overlay"):
        fetch_plan(controller, BUNDLES[0], [Path("none.yaml")])


def everything():
    """Each application and machine of each file, with the file's name."""
    for path in sorted({*BUNDLES, *(file for files in COMBINATIONS for file in files)}):
        document = yaml.safe_load(path.read_text())
        for kind in ("applications", "machines"):
            for name, thing in (document.get(kind) or {}).items():
                yield pytest.param(thing or {}, id=f"{path.stem}-{name}")


@pytest.mark.parametrize("thing", everything())
def test_placement_constraints_and_charm_are_understood(thing):
    for directive in thing.get("to", []):
        (placed,) = placement.parse(directive)
        scope, _, machine = directive.rpartition(":")
        assert (placed.scope, placed.directive) == (scope or "#", machine)
    parsed = constraints.parse(thing.get("constraints"))
    if thing.get("constraints"):
        assert set(parsed) == {
            word.partition("=")[0].replace("-", "_") for word in thing["constraints"].split()
        }
    if "charm" in thing and not thing["charm"].startswith("."):
        assert URL.parse(thing["charm"]).name == thing["charm"]


@pytest.mark.parametrize("text", ["spaces", "colour=red"])
def test_wrong_constraints_are_refused(text):
    with pytest.raises(ValueError, match="constraint"):
        constraints.parse(text)
