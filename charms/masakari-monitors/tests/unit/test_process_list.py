import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from workload import process_list

ENTRY = "process_name: x\nstart_command: s\nrestart_command: r\n"


def entry(extra=""):
    return "- " + (ENTRY + extra).strip().replace("\n", "\n  ")


def test_an_empty_option_means_the_default():
    assert process_list.parse(" \n") is None


def test_keys_that_were_left_out_are_there():
    (parsed,) = process_list.parse(entry())
    assert parsed["post_restart_command"] is None
    assert parsed["run_as_root"] is True
    assert yaml.safe_load(process_list.render([parsed])) == [parsed]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b", "must be a list"),
        ("[]", "must be a list"),
        ("- x", "entry 1: must be a mapping"),
        ("- process_name: x\n  start_command: s", "entry 1: restart_command must be a command"),
        (entry("pre_start_command: 3"), "entry 1: pre_start_command must be a command"),
        (entry("run_as_root: maybe"), "entry 1: run_as_root must be true or false"),
        (entry("other: 1"), "entry 1: unknown key other"),
        (entry("1: 1"), "entry 1: unknown key 1"),
        ("'", "is not YAML"),
        (entry("run_as_root: !!bool maybe"), "is not YAML"),
    ],
)
def test_lists_that_are_none(text, problem):
    with pytest.raises(ValueError, match=f"process-list: .*{problem}"):
        process_list.parse(text)


@given(st.text())
def test_any_text_is_a_list_or_refused(text):
    try:
        parsed = process_list.parse(text)
    except ValueError as error:
        assert str(error).startswith("process-list: ")
        return
    assert parsed is None or parsed
