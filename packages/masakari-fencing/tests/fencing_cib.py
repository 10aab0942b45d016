"""A cluster information base that answers cibadmin's requests as Pacemaker's own does.

XPath is libxml2's here and there. `test_recovery_record` puts the same requests to the real
cibadmin, on a file, where it is installed.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Sequence

from lxml import etree

EMPTY = (
    '<cib crm_feature_set="3.10.0" validate-with="pacemaker-3.8" epoch="1" num_updates="0" '
    'admin_epoch="0" have-quorum="1" dc-uuid="1"><configuration><crm_config/><nodes/>'
    "<resources/><constraints/></configuration><status/></cib>"
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
        self.root = etree.fromstring(text)
        self.fail: Callable[[list[str]], int] = lambda argv: 0
        self.lose: Callable[[list[str]], bool] = lambda argv: False
        self.others: Callable[[list[str]], str | int] = lambda argv: 127
        self.calls: list[list[str]] = []

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
            answer = (
                self._cibadmin(command, input) if argv[0] == "cibadmin" else self.others(command)
            )
            if self.lose(command):
                answer = 124
        if isinstance(answer, int):
            return subprocess.CompletedProcess(command, answer, "", f"failed: {answer}")
        return subprocess.CompletedProcess(command, 0, answer, "")

    def quorum(self, value: bool) -> None:
        self.root.set("have-quorum", "1" if value else "0")

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

    def _cibadmin(self, argv: list[str], text: str | None) -> str | int:
        given = dict(itertools.pairwise(argv))
        if "--query" in argv:
            return self._query(given, argv)
        if "--delete" in argv:
            gone = self.root.xpath(given["--xpath"])
            for element in gone:
                element.getparent().remove(element)
            return "" if gone else 105
        new = etree.fromstring(text if text is not None else given["--xml-text"])
        if "--create" in argv:
            if self.root.xpath(f"//{new.tag}[@id='{new.get('id')}']"):
                return 108
            self.root.find(f"configuration/{given['--scope']}").append(new)
            return ""
        assert "--modify" in argv, argv
        if "--allow-create" in argv:
            scope = f"configuration/{given['--scope']}" if "--scope" in argv else new.tag
            _merge(self.root.find(scope), new)
            return ""
        found = self.root.xpath(given["--xpath"])
        if len(found) != 1:
            return 105
        _merge(found[0], new)
        return ""

    def _query(self, given: dict[str, str], argv: list[str]) -> str | int:
        if "--scope" in argv:
            return _text(self.root.find(given["--scope"]))
        if "--xpath" not in argv:
            return _text(self.root)
        found = self.root.xpath(given["--xpath"])
        if not found:
            return 105
        texts = [_text(element) for element in found]
        return texts[0] if len(texts) == 1 else f"<xpath-query>{''.join(texts)}</xpath-query>"


def _merge(into: etree._Element, new: etree._Element) -> None:
    into.attrib.update(new.attrib)
    for child in new:
        own = child.tag, child.get("id")
        known = [item for item in into if (item.tag, item.get("id")) == own]
        if known:
            _merge(known[0], child)
        else:
            into.append(child)


def _text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)
