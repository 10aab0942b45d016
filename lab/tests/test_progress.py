import io
import json
import os
import re

import pytest
from jujulab.files import cache_dir
from jujulab.progress import ERASE, step
from jujulab.waiting import poll


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_a_line_at_the_start_now_and_then_and_at_the_end():
    out = io.StringIO()
    with step("image: sleeping", stream=out, every=0.05) as line:
        line.detail = "3 of 4 left"
        assert poll(lambda: out.getvalue().count("left\n") >= 2, 30, 0.01)
    lines = out.getvalue().splitlines()
    assert lines[0] == "image: sleeping ..."
    assert re.fullmatch(r"image: sleeping ... \d+ s", lines[-1])
    assert re.fullmatch(r"image: sleeping ... \d+ s: 3 of 4 left", lines[-2])
    assert len(lines) >= 4


def test_a_terminal_gets_one_line_that_fits(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 5)))
    out = Terminal()
    with step("working on something long", stream=out):
        pass
    assert out.getvalue().count("\n") == 1
    shown = out.getvalue().removesuffix("\n").split(ERASE)
    assert shown[0] == ""
    assert {len(text) for text in shown[1:]} == {19}


def test_the_next_time_is_told_how_long_the_last_took():
    with step("working", stream=io.StringIO(), name="work"):
        pass
    kept = json.loads((cache_dir() / "durations.json").read_text())
    assert list(kept) == ["work"]
    (cache_dir() / "durations.json").write_text(json.dumps({"work": 95.2}))
    out = io.StringIO()
    with step("working", stream=out, name="work"):
        pass
    first, last = out.getvalue().splitlines()
    assert first == "working ... (last time 95 s)"
    assert re.fullmatch(r"working \.\.\. \d s \(last time 95 s\)", last)


@pytest.mark.parametrize("content", ["", "[]", '{"working": "soon"}'])
def test_a_damaged_memory_is_none(content):
    cache_dir().mkdir()
    (cache_dir() / "durations.json").write_text(content)
    out = io.StringIO()
    with step("working", stream=out):
        pass
    assert out.getvalue().splitlines()[0] == "working ..."


def test_a_failure_is_said_and_raised_and_its_time_is_no_measure():
    out = io.StringIO()
    with pytest.raises(RuntimeError), step("working", stream=out):
        raise RuntimeError
    assert out.getvalue().splitlines()[-1] == "working ... 0 s (failed)"
    assert not (cache_dir() / "durations.json").exists()
