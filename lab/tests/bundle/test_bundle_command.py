"""`python -m jujulab.bundle verify` says whether a bundle is right."""

import subprocess
import sys

from jujulab.bundle.__main__ import main


def run(workshop, *overlays):
    arguments = ["verify", str(workshop.directory / "bundle.yaml")]
    for overlay in overlays:
        arguments += ["--overlay", str(overlay)]
    return main([*arguments, "--charms", str(workshop.directory / "charms")])


def test_a_right_bundle_is_summed_up(workshop, base, capsys):
    workshop.write(base)
    overlay = workshop.write("applications: {agent: {charm: agent}}", "agent.yaml")
    assert run(workshop, overlay) == 0
    assert "3 applications, 3 units, 2 machines, 1 relations: right" in capsys.readouterr().out


def test_a_wrong_bundle_is_an_error_with_the_reason(workshop, base, capsys):
    workshop.write(base + "colour: red\n")
    assert run(workshop) == 1
    assert 'colour: unknown key "colour" in a bundle' in capsys.readouterr().err


def test_a_value_to_fill_in_is_a_warning(workshop, base, capsys):
    workshop.write(base.replace("title: Shop", "title: <NAME OF THE SHOP>"))
    assert run(workshop) == 0
    assert "title: <NAME OF THE SHOP> is still to be filled in" in capsys.readouterr().err


def test_a_charm_that_is_not_packed_yet_is_noted(workshop, capsys):
    workshop.write("applications: {web: {charm: ./charms/web/web_amd64.charm}}")
    assert run(workshop) == 0
    assert (
        "web_amd64.charm is not packed yet; its sources were verified" in capsys.readouterr().err
    )


def test_it_is_a_program(workshop, base):
    path = workshop.write(base + "colour: red\n")
    command = [sys.executable, "-m", "jujulab.bundle", "verify", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (result.returncode, result.stdout) == (1, "")
