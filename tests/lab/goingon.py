"""After a failure, the tests go on where the lab is still whole, and say what was not run.

A test that fails may leave the one lab broken that all the others use. Whether it did is seen by
looking at the lab, once after each failure. Where it is broken, what is left is not run: it would
fail for no reason of its own, and each would wait for as long as it can.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest


class GoingOn:
    """A pytest plugin.

    Args:
        look: returns what is wrong with the lab, None if it is whole. It is called between tests.
        fenced: returns who had what fenced lately, which a failure is shown with. Where a machine
            was not to lose its power, that says who took it.
    """

    def __init__(
        self, look: Callable[[], str | None], fenced: Callable[[], str] = lambda: ""
    ) -> None:
        self._look = look
        self._fenced = fenced
        self._in_doubt = False
        self._broken: str | None = None
        self._not_run: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Look at the lab, if the last test failed; leave this one out if it is broken."""
        if self._in_doubt:
            self._broken, self._in_doubt = self._look(), False
        if self._broken is not None:
            self._not_run.append(item.nodeid)
            pytest.skip(f"the lab is broken: {self._broken}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure."""
        if report.failed and self._broken is None:
            self._in_doubt = True
            if history := self._fenced():
                report.sections.append(("Fenced so far, the latest first", history))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """End with what was not run."""
        if self._not_run:
            count = len(self._not_run)
            terminalreporter.section(f"{count} NOT RUN, the lab is broken: {self._broken}")
            for name in self._not_run:
                terminalreporter.write_line(f"NOT RUN {name}")
