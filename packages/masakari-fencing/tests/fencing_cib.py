"""A cluster information base that answers cibadmin's requests as Pacemaker's own does.

XPath is libxml2's here and there. `test_recoveries` and `test_cibadmin` put the same requests to
the real cibadmin, on a file, where it is installed.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lxml import etree
from masakari_fencing.commands import Subprocess

ELECTED = (
    '<cluster_property_set id="cib-bootstrap-options"><nvpair id="options-dc-version" '
    'name="dc-version" value="2.1.5-a3f44794f94"/></cluster_property_set>'
)
"""What each controller adds to `crm_config`."""

EMPTY = (
    '<cib crm_feature_set="3.10.0" validate-with="pacemaker-3.8" epoch="1" num_updates="0" '
    f'admin_epoch="0" have-quorum="1" dc-uuid="1"><configuration><crm_config>{ELECTED}'
    "</crm_config><nodes/><resources/><constraints/></configuration><status/></cib>"
)


class Cib:
    """Runs `cibadmin`, and what else a test has for it.

    Attributes:
        root: the `cib` element.
        fail: called before each command; returns an exit code in the place of the answer.
        lose: called after each command; whether its answer is lost, although it was carried out.
        others: answers other programs.
    """

    def __init__(self, text: str = EMPTY) -> None:
        self.load(text)
        self.fail: Callable[[list[str]], int] = lambda argv: 0
        self.lose: Callable[[list[str]], bool] = lambda argv: False
        self.others: Callable[[list[str]], str | int] = lambda argv: 127
        self.calls: list[list[str]] = []

    def load(self, text: str) -> None:
        """Be another one from now on."""
        self.root = etree.fromstring(text)

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        command = list(argv)
        self.calls.append(command)
        code = self.fail(command)
        answer: str | int = code
        if not code:
            ours = argv[0] == "cibadmin"
            answer = self.answer(command, input) if ours else self.others(command)
            if self.lose(command):
                answer = 124
        if isinstance(answer, int):
            return subprocess.CompletedProcess(command, answer, "", f"failed: {answer}")
        return subprocess.CompletedProcess(command, 0, answer, "")

    def answer(self, argv: list[str], text: str | None) -> str | int:
        """Return what cibadmin prints, or its exit code; for what runs commands itself."""
        given = dict(itertools.pairwise(argv))
        if "--query" in argv:
            return self._query(given, argv)
        if "--delete" in argv:
            for element in self.root.xpath(given["--xpath"])[:1]:
                element.getparent().remove(element)
            return ""
        new = etree.fromstring(str(text))
        assert "--modify" in argv, argv
        found = self.root.xpath(given["--xpath"])
        if len(found) != 1 or found[0].tag != new.tag:
            return 105
        _merge(found[0], new)
        return ""

    def serve(self, runner: Any) -> None:
        """Have a `FakeRunner` answer cibadmin so."""
        runner.on("cibadmin", lambda argv: self.answer(argv, runner.inputs[-1]))

    @property
    def text(self) -> str:
        return _text(self.root)

    def add(self, text: str, section: str = "configuration/crm_config") -> None:
        """Have one more element in a section, without a command."""
        self.root.find(section).append(etree.fromstring(text))

    def quorum(self, value: bool) -> None:
        self.root.set("have-quorum", "1" if value else "0")

    def starts(self) -> None:
        """Be that of a member that has just started, and knows of no controller."""
        del self.root.attrib["dc-uuid"]

    @property
    def version(self) -> tuple[int, int]:
        """See `_version`."""
        return _version(self.root)

    def fenced(self, node: str, moment: float) -> None:
        """Have a record of a remote node; 0: it is connected."""
        for state in self.root.xpath(f"//node_state[@uname='{node}']"):
            state.getparent().remove(state)
        status = self.root.find("status")
        etree.SubElement(
            status,
            "node_state",
            id=node,
            uname=node,
            remote_node="true",
            node_fenced=f"{moment:.0f}",
        )

    def _query(self, given: dict[str, str], argv: list[str]) -> str | int:
        if "--scope" in argv:
            return _text(next(self.root.iter(given["--scope"])))
        if "--xpath" not in argv:
            return _text(self.root)
        found = self.root.xpath(given["--xpath"])
        if not found:
            return 105
        texts = [_text(element) for element in found]
        return texts[0] if len(texts) == 1 else f"<xpath-query>{''.join(texts)}</xpath-query>"


class RealCib(Subprocess):
    """The real cibadmin, on a file in the place of a cluster; `CIB_file` has to name it."""

    def __init__(self, path: Path) -> None:
        path.write_text(EMPTY)
        self.path = path

    def quorum(self, value: bool) -> None:
        text = f'<cib have-quorum="{int(value)}"/>'
        self.run(["cibadmin", "--modify", "--xpath", "/cib", "--xml-text", text])

    def starts(self) -> None:
        """See `Cib.starts`; a file is read as it is."""
        self.path.write_text(self.path.read_text().replace('dc-uuid="1"', ""))

    @property
    def text(self) -> str:
        """The configuration alone: cibadmin counts the changes, even those that change nothing."""
        root = etree.parse(self.path, etree.XMLParser(remove_blank_text=True))
        return _text(root.find("configuration"))

    @property
    def version(self) -> tuple[int, int]:
        """See `_version`."""
        return _version(etree.parse(self.path).getroot())


def _version(root: etree._Element) -> tuple[int, int]:
    """By what members judge whose copy is the newest; the model counts no changes."""
    return int(root.get("admin_epoch")), int(root.get("epoch"))


def _merge(into: etree._Element, new: etree._Element) -> None:
    for name, value in new.attrib.items():
        more = {f"{name}++": 1, f"{name}+=10": 10}.get(value)
        into.set(name, str(int(into.get(name, "0")) + more) if more else value)
    for child in new:
        own = child.tag, child.get("id")
        known = [item for item in into if (item.tag, item.get("id")) == own]
        if known:
            _merge(known[0], child)
        else:
            into.append(child)


def _text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)
