"""Applications, machines and placements are verified against the rules and the charms."""

import pytest


def web(extra="", units="num_units: 1"):
    return f"applications: {{web: {{charm: web, {units}, {extra}}}}}"


def test_a_right_bundle_has_the_charms_metadata(workshop, base):
    assert workshop.load(base).applications["web"].meta.name == "web"


def test_a_bundle_without_applications_is_refused(workshop):
    assert "at least one application" in workshop.refusal("description: empty")


def test_a_bundle_for_kubernetes_is_refused(workshop, base):
    refusal = workshop.refusal(base + "bundle: kubernetes\n")
    assert 'a bundle of type "kubernetes" does not describe machines' in refusal
    assert workshop.load(base + "bundle: ''\n"), "which is none"


def test_all_broken_rules_are_reported(workshop):
    text = web("options: {port: x, colour: red}, channel: a/b/c/d")
    assert len(workshop.refusals(text)) == 3


# Charms


def test_an_unknown_charm_is_refused(workshop):
    assert 'charm "shop" not found' in workshop.refusal("applications: {shop: {charm: shop}}")


def test_an_application_of_the_overlay_alone_needs_a_charm(workshop, base):
    refusal = workshop.refusal(base, "applications:\n  wep:\n    options: {port: 1}\n")
    assert refusal.startswith("overlay0.yaml:2: applications.wep: the application has no charm")


@pytest.mark.parametrize(
    ("charm", "reason"),
    [
        ("cs:web", "the charm store (cs:) is gone"),
        ("ch:web-5", "has a revision in its name; say it beside that, as revision"),
        ("http:web", "neither the name of a Charmhub charm nor a path"),
        ("Web", "is not the name of a charm"),
    ],
)
def test_references_that_juju_does_not_know_are_refused(workshop, charm, reason):
    assert reason in workshop.refusal(f"applications: {{web: {{charm: '{charm}'}}}}")


def test_the_charmhub_schema_may_be_written(workshop):
    for charm in ("ch:web", "ch:amd64/jammy/web-5"):
        assert workshop.load(f"applications: {{web: {{charm: '{charm}'}}}}").applications["web"]


def test_a_path_that_does_not_exist_is_refused(workshop):
    refusal = workshop.refusal("applications: {web: {charm: ./charms/none}}")
    assert refusal.endswith("charm path charms/none does not exist")


def test_a_malformed_charm_is_refused_where_it_is_used(workshop):
    workshop.write("name: bad\nsubordinate: true\n", "charms/bad/charmcraft.yaml")
    refusal = workshop.refusal("applications: {bad: {charm: bad}}")
    assert refusal.startswith("bundle.yaml:1: applications.bad.charm:")


def test_a_revision_needs_a_channel(workshop):
    assert "a revision needs a channel" in workshop.refusal(web("revision: 4"))


def test_a_negative_revision_is_refused(workshop):
    assert "cannot be negative" in workshop.refusal(web("revision: -1, channel: stable"))


@pytest.mark.parametrize(
    "channel", ["stable", "latest/edge", "2024.1/stable", "8.0", "1/beta/fix"]
)
def test_channels_are_accepted(workshop, channel):
    assert workshop.load(web(f"channel: {channel}")).applications["web"].spec.channel == channel


@pytest.mark.parametrize("channel", ["2024.1/risky", "a/b/c/d", "not a channel"])
def test_other_channels_are_refused(workshop, channel):
    assert "is not a channel" in workshop.refusal(web(f"channel: {channel}"))


# Bases


def test_the_default_base_is_for_all_applications(workshop, base):
    assert workshop.load(base).applications["db"].base == "ubuntu@22.04"


def test_the_base_of_an_application_goes_first(workshop, base):
    bundle = workshop.load(base, "applications: {db: {base: ubuntu@20.04}}")
    assert bundle.applications["db"].base == "ubuntu@20.04"


def test_the_risk_stable_of_a_base_goes_without_saying(workshop):
    assert workshop.load(web("base: ubuntu@22.04/stable")).applications["web"].base == (
        "ubuntu@22.04"
    )


def test_without_any_base_it_is_the_charms_first(workshop):
    assert workshop.load(web()).applications["web"].base == "ubuntu@24.04"


@pytest.mark.parametrize("base", ["jammy", "ubuntu", "ubuntu@22.04@x", "windows@11", "ubuntu@x"])
def test_what_is_no_base_is_refused(workshop, base):
    assert "is not a base" in workshop.refusal(web(f"base: {base}"))


def test_a_wrong_default_base_is_reported_once(workshop):
    refusal = workshop.refusal("default-base: jammy\n" + web())
    assert refusal.startswith("bundle.yaml:1: default-base:")


# Units and placements


def test_a_negative_number_of_units_is_refused(workshop):
    assert "cannot be negative" in workshop.refusal(web(units="num_units: -1"))


def test_a_subordinate_with_units_is_refused(workshop):
    refusal = workshop.refusal("applications:\n  agent:\n    charm: agent\n    num_units: 1\n")
    assert refusal == (
        'bundle.yaml:4: applications.agent.num_units: "agent" is a subordinate charm: it gets a '
        "unit beside each unit it is related to, and has no num_units"
    )


def test_a_subordinate_with_placement_is_refused(workshop):
    refusals = workshop.refusals("applications: {agent: {charm: agent, to: [new]}}")
    assert any("its units follow their principals, without to" in r for r in refusals)


def test_a_subordinate_with_constraints_is_refused(workshop):
    refusal = workshop.refusal("applications: {agent: {charm: agent, constraints: mem=1G}}")
    assert "deployed without constraints" in refusal


def test_more_placements_than_units_are_refused(workshop):
    assert "has 2 placements for 1 units" in workshop.refusal(web("to: [new, new]"))


def test_a_machine_that_does_not_exist_is_refused(workshop, base):
    refusal = workshop.refusal(base.replace('to: ["lxd:0"]', 'to: ["lxd:4"]'))
    assert refusal == (
        'bundle.yaml:16: applications.db.to[0]: placement "lxd:4" refers to a machine that is not '
        "in machines"
    )


def test_a_machine_without_units_is_refused(workshop, base):
    refusal = workshop.refusal(base.replace('"1": {}}', '"1": {}, "2": {}}'))
    assert "machines.2: machine 2 is not referred to by a placement" in refusal


@pytest.mark.parametrize("text", ["lxd:", "0/lxd/0", "web/x", "-1", "01"])
def test_what_is_no_placement_is_refused(workshop, text):
    assert f'"{text}" is not a placement' in workshop.refusal(web(f"to: ['{text}']"))


@pytest.mark.parametrize("text", ["shop", "web/2", "lxd:web/0"])
def test_placement_beside_an_application_is_refused(workshop, text):
    refusal = workshop.refusal(web(f"to: ['{text}']"))
    assert "the lab does not support placement beside an application" in refusal


def test_an_unknown_type_of_container_is_refused(workshop):
    assert '"docker" is no type of container' in workshop.refusal(web("to: ['docker:new']"))


@pytest.mark.parametrize("machine", ["lxd", "0/lxd/0", "01", "-1"])
def test_what_is_no_number_of_a_machine_is_refused(workshop, base, machine):
    refusals = workshop.refusals(base.replace('"1": {}', f'"1": {{}}, "{machine}": {{}}'))
    assert any("is not the number of a machine" in r for r in refusals)


def test_the_base_of_a_machine_is_verified(workshop, base):
    refusal = workshop.refusal(base.replace('"1": {}', '"1": {base: jammy}'))
    assert refusal.startswith("bundle.yaml:3: machines.1.base:")


def test_constraints_of_machines_are_verified(workshop, base):
    refusal = workshop.refusal(base.replace('"1": {}', '"1": {constraints: speed=9}'))
    assert 'machines.1.constraints: unknown constraint "speed"' in refusal


# Options


@pytest.mark.parametrize(
    ("option", "written", "value"),
    [
        ("title", "Home", "Home"),
        ("title", "'3'", "3"),
        ("port", "80", 80),
        ("port", "'80'", 80),
        ("ratio", "3.0", 3.0),
        ("debug", "true", True),
        ("debug", "'f'", False),
        ("port", "null", None),
    ],
)
def test_options_get_the_type_of_the_charm(workshop, option, written, value):
    bundle = workshop.load(web(f"options: {{{option}: {written}}}"))
    options = bundle.applications["web"].options
    assert (options, type(options[option])) == ({option: value}, type(value))


@pytest.mark.parametrize(
    ("option", "written"),
    [
        ("title", "3"),
        ("title", "true"),
        ("port", "eighty"),
        ("port", "'8_0'"),
        ("port", "true"),
        ("port", "1.5"),
        ("ratio", "3"),
        ("ratio", "'3.0'"),
        ("debug", "1"),
        ("debug", "maybe"),
    ],
)
def test_values_of_another_type_are_refused(workshop, option, written):
    refusal = workshop.refusal(web(f"options: {{{option}: {written}}}"))
    assert f'applications.web.options.{option}: option "{option}" expected' in refusal


def test_an_unknown_option_is_refused(workshop):
    refusal = workshop.refusal(
        "applications:\n  web:\n    charm: web\n    options:\n      tilte: x\n"
    )
    assert refusal == (
        'bundle.yaml:5: applications.web.options.tilte: charm "web" has no option "tilte"'
    )


# Bindings, exposure and names


@pytest.mark.parametrize("endpoint", ["db", "website", "cluster", "public", ""])
def test_endpoints_and_extra_bindings_can_be_bound(workshop, endpoint):
    bundle = workshop.load(web(f"bindings: {{'{endpoint}': internal}}"))
    assert bundle.applications["web"].spec.bindings == {endpoint: "internal"}


@pytest.mark.parametrize("endpoint", ["admin", "juju-info"])
def test_a_binding_that_the_charm_does_not_have_is_refused(workshop, endpoint):
    refusal = workshop.refusal(web(f"bindings: {{{endpoint}: internal}}"))
    assert f'has no endpoint or extra-binding "{endpoint}"' in refusal


def test_juju_info_can_be_bound_where_the_charm_requires_it(workshop):
    text = "applications: {cluster: {charm: cluster, bindings: {juju-info: internal}}}"
    assert workshop.load(text).applications["cluster"]


def test_what_is_no_name_of_a_space_is_refused(workshop):
    assert "is not the name of a space" in workshop.refusal(web("bindings: {db: 'a b'}"))


@pytest.mark.parametrize("name", ["web-2", "Web", "web_2", "2web"])
def test_what_is_no_name_of_an_application_is_refused(workshop, name):
    text = f"applications: {{{name}: {{charm: web}}}}"
    assert f'"{name}" is not a valid application name' in workshop.refusal(text)


def test_a_space_that_is_bound_cannot_be_excluded(workshop):
    text = "bindings: {{db: internal}}, constraints: 'spaces=^{}'"
    refusal = workshop.refusal(web(text.format("internal")))
    assert refusal.endswith('the space "internal" is bound, and excluded by a constraint')
    assert workshop.load(web(text.format("public")))


def test_a_file_in_an_option_is_said_to_be_unsupported_whatever_its_type(workshop):
    refusal = workshop.refusal(web("options: {port: 'include-file://x'}"))
    assert "does not include files" in refusal
