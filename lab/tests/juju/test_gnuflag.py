"""Command lines as Go's gnuflag reads them."""

import pytest
from jujulab.juju.gnuflag import Flag, UsageError, parse

FLAGS = (
    Flag("format", default="smart", choices=("json", "smart")),
    Flag("relation", short="r", default=""),
    Flag("app", kind="bool"),
    Flag("config", kind="list"),
    Flag("num-units", short="n", kind="int", default=1),
)


def test_flags_and_arguments_mix() -> None:
    values, arguments = parse(FLAGS, ["ep", "--format=json", "-r", "db:3", "--app", "x"])
    assert arguments == ["ep", "x"]
    assert (values["format"], values["relation"], values["app"]) == ("json", "db:3", True)


def test_defaults_hold_for_what_is_not_given() -> None:
    values, _ = parse(FLAGS, [])
    assert values == {"format": "smart", "relation": "", "app": False, "config": [],
                      "num-units": 1}  # fmt: skip


def test_a_list_collects() -> None:
    assert parse(FLAGS, ["--config", "a=1", "--config=b=2"])[0]["config"] == ["a=1", "b=2"]


def test_a_boolean_takes_a_value_only_after_the_sign() -> None:
    values, arguments = parse(FLAGS, ["--app=False", "--app=True", "false"])
    assert values["app"] is True
    assert arguments == ["false"]


def test_two_dashes_end_the_flags() -> None:
    assert parse(FLAGS, ["--", "--app", "-x"])[1] == ["--app", "-x"]


def test_a_lone_dash_is_an_argument() -> None:
    assert parse(FLAGS, ["-r", "1", "-", "unit/0"])[1] == ["-", "unit/0"]


def test_a_value_may_stick_to_a_letter() -> None:
    assert parse(FLAGS, ["-n3"])[0]["num-units"] == 3


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nope"], "option provided but not defined: --nope"),
        (["-x"], "option provided but not defined: -x"),
        (["-app"], "option provided but not defined: -app"),
        (["--r", "1"], "option provided but not defined: --r"),
        (["--relation"], "option needs an argument: --relation"),
        (["--format", "xml"], 'invalid value "xml" for option --format'),
        (["-n", "many"], 'invalid value "many" for option --num-units'),
        (["--app=maybe"], 'invalid boolean value "maybe" for --app'),
    ],
)
def test_what_cannot_be_understood_is_refused(words: list[str], text: str) -> None:
    with pytest.raises(UsageError, match=f"^{text}$"):
        parse(FLAGS, words)
