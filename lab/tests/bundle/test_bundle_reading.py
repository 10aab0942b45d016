"""Files become documents: syntax, duplicate keys, anchors, and values that parsers disagree on."""

import pytest
from jujulab.bundle.errors import BundleError
from jujulab.bundle.load import load
from jujulab.juju.charm import LocalCharms


def option(workshop, text):
    bundle = workshop.load(f"applications: {{web: {{charm: web, options: {{title: {text}}}}}}}")
    return bundle.applications["web"].options["title"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BundleError, match=r"absent\.yaml: cannot be read: No such file"):
        load(tmp_path / "absent.yaml", charms=LocalCharms())


def test_broken_yaml_is_refused_with_its_line(workshop):
    assert workshop.refusal("applications:\n  web: [").startswith("bundle.yaml:2: is not YAML:")


def test_text_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "bundle.yaml"
    path.write_bytes(b"description: \xff")
    with pytest.raises(BundleError, match="is not UTF-8 text"):
        load(path, charms=LocalCharms())


def test_an_empty_bundle_is_refused(workshop):
    assert workshop.refusal("# nothing\n") == "bundle.yaml: the bundle is empty"


def test_a_document_that_is_no_mapping_is_refused(workshop):
    assert workshop.refusal("- web\n") == "bundle.yaml:1: must be a mapping"


def test_a_key_that_stands_twice_is_refused_with_both_lines(workshop):
    text = "applications:\n  web:\n    charm: web\n    num_units: 1\n    charm: db\n"
    assert workshop.refusal(text) == (
        "bundle.yaml:5: applications.web.charm: is defined twice in one mapping; the first is in "
        "line 3"
    )


def test_machines_zero_as_text_and_as_number_are_the_same_key(workshop, base):
    text = base.replace('"1": {}}', "0: {}}")
    assert "machines.0: is defined twice" in workshop.refusal(text)


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off", "y"])
def test_a_word_that_may_be_a_boolean_is_refused(workshop, word):
    text = f"applications: {{web: {{charm: web, options: {{debug: {word}}}}}}}"
    assert "is a boolean to some YAML parsers" in workshop.refusal(text)


def test_a_quoted_word_is_text(workshop):
    assert option(workshop, "'yes'") == "yes"


@pytest.mark.parametrize("text", ["2024-04-01", "10:30", "1.2.3"])
def test_dates_and_times_are_text(workshop, text):
    assert option(workshop, text) == text


@pytest.mark.parametrize("text", ["0o17", "017", "15", "0xf", "1_5"])
def test_whole_numbers_are_read_in_every_notation(workshop, text):
    bundle = workshop.load(f"applications: {{web: {{charm: web, options: {{port: {text}}}}}}}")
    assert bundle.applications["web"].options["port"] == 15


@pytest.mark.parametrize("text", ["1.5", "15e-1", ".15e1"])
def test_fractions_are_read_in_every_notation(workshop, text):
    bundle = workshop.load(f"applications: {{web: {{charm: web, options: {{ratio: {text}}}}}}}")
    assert bundle.applications["web"].options["ratio"] == 1.5


def test_an_alias_stands_for_its_anchor(workshop):
    bundle = workshop.load(
        """
        applications:
          web: {charm: web, options: {title: &t Shop}}
          db: {charm: db, options: {size: *t}}
        """
    )
    assert bundle.applications["db"].options == {"size": "Shop"}


def test_a_merge_key_gives_way_to_the_mapping_itself(workshop):
    bundle = workshop.load(
        """
        applications:
          web: &web {charm: web, num_units: 1, options: {port: 80}}
          shop:
            <<: *web
            num_units: 3
        """
    )
    shop = bundle.applications["shop"]
    assert (shop.spec.num_units, shop.options) == (3, {"port": 80})


def test_a_document_that_contains_itself_is_refused(workshop):
    text = "applications: &all {web: *all}"
    assert "contains itself through a YAML alias" in workshop.refusal(text)


def test_an_unknown_yaml_tag_is_refused(workshop):
    assert "YAML tag !secret" in workshop.refusal("description: !secret x")


def test_a_value_that_is_not_of_its_yaml_tag_is_refused(workshop):
    assert '"ten" is not of the YAML type int' in workshop.refusal("description: !!int ten")


@pytest.mark.parametrize("key", ["? [a, b]\n: c", "null: c", "~: c"])
def test_a_key_that_is_not_text_is_refused(workshop, key):
    assert "has a key that is not text" in workshop.refusal(key)


def test_a_merge_key_without_a_mapping_is_refused(workshop):
    assert "the YAML merge key << needs a mapping" in workshop.refusal("<<: text")


def test_the_first_of_several_merged_mappings_wins(workshop):
    bundle = workshop.load(
        """
        applications:
          web: &one {charm: web, num_units: 1}
          shop: &two {charm: web, num_units: 2, trust: true}
          both: {<<: [*one, *two]}
        """
    )
    both = bundle.applications["both"].spec
    assert (both.num_units, both.trust) == (1, True)


def test_a_directory_stands_for_its_bundle_yaml(workshop, base):
    workshop.write(base)
    bundle = load(workshop.directory, charms=LocalCharms(workshop.directory / "charms"))
    assert set(bundle.applications) == {"web", "db"}


def test_unknown_keys_are_refused_with_the_nearest_known_one(workshop):
    text = "applications:\n  web:\n    charm: web\n    num_unit: 1\n"
    assert workshop.refusal(text) == (
        'bundle.yaml:4: applications.web.num_unit: unknown key "num_unit" in an application; did '
        "you mean num_units?"
    )


def test_the_old_name_of_applications_is_refused_with_the_new_one(workshop):
    assert "did you mean applications?" in workshop.refusal("services: {}")


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("machines: [0]", "machines", "must be a mapping of machines"),
        ("machines: {0: 4}", "machines.0", "must be a mapping with the keys of a machine"),
        ("applications: {web: {num_units: many}}", "num_units", "must be a whole number"),
        ("applications: {web: {num_units: true}}", "num_units", "must be a whole number"),
        ("applications: {web: {trust: 1}}", "trust", "must be true or false"),
        ("applications: {web: {to: lxd:0}}", "to", "must be a list of placements"),
        ("applications: {web: {charm: [web]}}", "charm", "must be text"),
        ("applications: {web: {options: {a: [1]}}}", "options.a", "must be a single value"),
        ("relations: [web]", "relations[0]", "must be a list of two endpoints"),
    ],
)
def test_values_of_the_wrong_type_are_refused(workshop, text, place, rule):
    refusal = workshop.refusal(text)
    assert refusal.endswith(f"{place}: {rule}")


def test_all_problems_of_all_files_are_reported_at_once(workshop, base):
    refusals = workshop.refusals(base + "colour: red\n", "colour: blue\n")
    assert [r.split(":")[0] for r in refusals] == ["bundle.yaml", "overlay0.yaml"]


def test_problems_are_in_the_order_of_the_file(workshop):
    text = "colour: red\napplications:\n  web: {charm: [web], num_units: x}\nshape: round\n"
    assert [refusal.split(":")[1] for refusal in workshop.refusals(text)] == ["1", "3", "3", "4"]


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("placement: 'zone=a'", "placement is for Kubernetes bundles"),
        ("scale: 1", "scale is for Kubernetes bundles; machines use num_units"),
        ("series: jammy", "write base or default-base, ubuntu@22.04"),
        ("storage: {data: 1G}", "the lab does not support storage"),
        ("devices: {gpu: '1'}", "the lab does not support devices"),
        ("resources: {icon: 1}", "the lab does not support resources"),
        ("offers: {o: {endpoints: [db]}}", "the lab does not support offers"),
        ("annotations: {gui-x: '1'}", "the lab does not support annotations"),
        ("expose: true", "the lab does not support expose"),
        ("exposed-endpoints: {db: {}}", "the lab does not support exposed-endpoints"),
        ("plan: big", "the lab does not support plan"),
    ],
)
def test_keys_that_juju_knows_and_the_lab_does_not_are_refused(workshop, key, rule):
    refusal = workshop.refusal(f"applications: {{web: {{charm: web, {key}}}}}")
    assert refusal.startswith(f"bundle.yaml:1: applications.web.{key.partition(':')[0]}: ")
    assert rule in refusal


def test_relations_to_other_models_are_refused(workshop):
    text = """
        applications: {web: {charm: web}}
        saas: {remote-db: {url: "admin/other.db"}}
        relations: [["web:db", "remote-db:sql"]]
    """
    assert "does not support relations to other models (saas)" in workshop.refusal(text)


def test_default_base_is_refused_in_an_overlay_where_it_has_no_effect(workshop, base):
    assert "Juju ignores it" in workshop.refusal(base, "default-base: ubuntu@24.04")
