import io
import time

import pytest
from jujulab.progress import step


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_a_line_at_the_start_now_and_then_and_at_the_end():
    out = io.StringIO()
    with step("image: sleeping", stream=out, every=0.05):
        time.sleep(0.12)
    lines = out.getvalue().splitlines()
    assert lines[0] == "image: sleeping ..."
    assert lines[-1] == "image: sleeping ... 0 s"
    assert len(lines) >= 4


def test_a_terminal_gets_one_line():
    out = Terminal()
    with step("working", stream=out):
        pass
    assert out.getvalue() == "\rworking ... 0 s\n"


def test_a_failure_is_said_and_raised():
    out = io.StringIO()
    with pytest.raises(RuntimeError), step("working", stream=out):
        raise RuntimeError
    assert out.getvalue().splitlines()[-1] == "working ... 0 s (failed)"
