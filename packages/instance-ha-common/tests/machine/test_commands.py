import sys

import pytest
from instance_ha_common.machine.commands import NOT_FOUND, TIMED_OUT, CommandError, Runner


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_input_and_environment():
    code = "import os, sys; print(sys.stdin.read() + os.environ['X'])"
    result = Runner().run(python(code), input="a", env={"X": "b"})
    assert result.stdout == "ab\n"


def test_without_input_there_is_nothing_to_read():
    assert Runner().run(python("import sys; print(repr(sys.stdin.read()))")).stdout == "''\n"


def test_failure_raises_with_the_last_line_of_the_error():
    with pytest.raises(CommandError, match=r"exit code 3: second") as caught:
        Runner().run(python("import sys; print('first\\nsecond', file=sys.stderr); sys.exit(3)"))
    assert caught.value.returncode == 3


def test_failure_without_output_says_so():
    with pytest.raises(CommandError, match="no error output"):
        Runner().run(python("raise SystemExit(1)"))


def test_failure_can_be_looked_at_instead():
    assert Runner().run(python("raise SystemExit(3)"), check=False).returncode == 3


def test_a_command_that_hangs_is_ended():
    result = Runner().run(python("import time; time.sleep(30)"), timeout=0.2, check=False)
    assert result.returncode == TIMED_OUT
    assert "0.2 s" in result.stderr


def test_a_missing_program_is_a_failure_like_others():
    assert Runner().run(["/no/such/program"], check=False).returncode == NOT_FOUND
    with pytest.raises(CommandError, match="No such file"):
        Runner().run(["/no/such/program"])
