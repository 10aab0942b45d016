"""Templates are filled only where the outcome could be another one."""

import jinja2
import pytest
from instance_ha_common.machine.memory import Memory
from instance_ha_common.machine.templates import Templates
from instance_ha_common.testing import fake_host

PATH = "/etc/x"


@pytest.fixture
def host(tmp_path):
    return fake_host(tmp_path / "root")


@pytest.fixture
def templates(host, tmp_path):
    (tmp_path / "x.j2").write_text("a = {{ a | oslo }}\n")

    def make():
        return Templates(host, Memory(host, "toy"), tmp_path)

    return make


def test_the_file_is_what_the_template_says(host, templates):
    assert templates().write(PATH, "x", {"a": "1$"}, mode=0o640, group="adm")
    assert host.read(PATH) == "a = 1$$\n"
    assert host.mode(PATH) == 0o640
    assert host.owner(PATH) == ("root", "adm")


def test_the_same_is_not_filled_again(host, templates, monkeypatch):
    templates().write(PATH, "x", {"a": "1"})
    monkeypatch.setattr(Templates, "render", None)
    assert not templates().write(PATH, "x", {"a": "1"})


def test_what_differs_is_filled_again(host, templates, tmp_path):
    templates().write(PATH, "x", {"a": "1"})
    host.write(PATH, "changed by hand")
    assert templates().write(PATH, "x", {"a": "1"})
    assert templates().write(PATH, "x", {"a": "2"})
    assert host.read(PATH) == "a = 2\n"
    (tmp_path / "x.j2").write_text("longer = {{ a }}\n")
    assert templates().content(PATH, "x", {"a": "2"}) == "longer = 2\n"


def test_a_variable_that_is_missing_is_no_blank(templates):
    with pytest.raises(jinja2.UndefinedError):
        templates().write(PATH, "x", {})
