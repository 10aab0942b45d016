"""Overlays change a bundle field by field."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jujulab.bundle.errors import BundleError, Origin
from jujulab.bundle.merge import merge
from jujulab.bundle.nodes import Items, Scalar, Table, read_documents
from jujulab.bundle.schema import check_document


def application(workshop, overlay, base, name="web"):
    return workshop.load(base, overlay).applications[name].spec


@pytest.mark.parametrize(
    ("field", "written", "merged"),
    [
        ("channel", "2.0/edge", "2.0/edge"),
        ("channel", "null", ""),
        ("constraints", "mem=2G", "mem=2G"),
        ("trust", "true", True),
    ],
)
def test_single_values_are_replaced(workshop, base, field, written, merged):
    overlay = f"applications: {{web: {{{field}: {written}}}}}"
    assert getattr(application(workshop, overlay, base), field) == merged


def test_a_list_is_replaced_as_a_whole(workshop, base):
    overlay = "applications: {web: {to: ['1', '0']}}"
    assert application(workshop, overlay, base).to == ["1", "0"]


@pytest.mark.parametrize("empty", ["[]", "null"])
def test_an_empty_list_clears_the_placements(workshop, base, empty):
    overlay = f"applications: {{web: {{to: {empty}}}, db: {{to: [lxd:0], num_units: 2}}}}"
    spec = application(workshop, overlay, base.replace(', "1": {}', ""))
    assert spec.to == []


def test_maps_are_merged_key_by_key(workshop, base):
    spec = application(workshop, "applications: {web: {options: {port: 8080}}}", base)
    assert spec.options == {"title": "Shop", "port": 8080}


def test_null_removes_an_option(workshop, base):
    spec = application(workshop, "applications: {web: {options: {title: null}}}", base)
    assert spec.options == {"port": 80}


def test_null_sets_an_empty_space_in_bindings(workshop, base):
    spec = application(workshop, "applications: {web: {bindings: {public: null}}}", base)
    assert spec.bindings == {"": "internal", "public": ""}


def test_null_instead_of_a_map_empties_it(workshop, base):
    assert application(workshop, "applications: {web: {options: null}}", base).options == {}


def test_an_empty_map_changes_nothing(workshop, base):
    spec = application(workshop, "applications: {web: {options: {}}}", base)
    assert spec.options == {"title": "Shop", "port": 80}


def test_fields_that_the_overlay_does_not_name_stay(workshop, base):
    spec = application(workshop, "applications: {web: {num_units: 3}}", base)
    assert (spec.channel, spec.num_units, len(spec.to)) == ("1.0/stable", 3, 2)


def test_a_new_application_is_added_with_its_relations(workshop, base):
    bundle = workshop.load(
        base, "applications: {agent: {charm: agent}}\nrelations: [['web:juju-info', agent]]"
    )
    assert "agent" in bundle.applications
    assert [r.endpoint1 for r in bundle.relations] == ["web:db", "web:juju-info"]


def test_an_application_without_body_is_removed_with_its_relations(workshop, base):
    bundle = workshop.load(base, "applications: {db: null}")
    assert (set(bundle.applications), bundle.relations) == ({"web"}, ())


def test_a_removed_application_can_be_related_anew_by_the_same_overlay(workshop, base):
    bundle = workshop.load(
        base,
        "applications: {db: null, twin-db: {charm: twin-db}}\nrelations: [['web:db', twin-db]]",
    )
    assert [r.endpoint2 for r in bundle.relations] == ["twin-db:sql"]


def test_an_application_without_body_is_refused_in_the_base(workshop):
    assert 'application "web" has no body' in workshop.refusal("applications: {web: }")


def test_machines_of_an_overlay_replace_those_of_the_bundle(workshop, base):
    overlay = """
        machines: {"7": {}}
        applications: {web: {to: ["7"]}, db: {to: ["lxd:7"]}}
    """
    assert set(workshop.load(base, overlay).machines) == {"7"}


def test_documents_of_one_file_are_overlays_in_their_order(workshop, base):
    documents = [base]
    documents += [f"applications: {{web: {{options: {{port: {n}}}}}}}" for n in (1, 2)]
    bundle = workshop.load("---\n".join(f"{d}\n" for d in documents))
    assert bundle.applications["web"].options["port"] == 2


def test_overlay_files_follow_the_documents_of_the_bundle(workshop, base):
    port = "applications: {web: {options: {port: %d}}}"
    bundle = workshop.load(f"{base}\n---\n{port % 1}", port % 2, port % 3)
    assert bundle.applications["web"].options["port"] == 3


def test_an_empty_overlay_changes_nothing(workshop, base):
    assert workshop.load(base, "---\n") == workshop.load(base)


def test_a_relative_charm_is_found_from_its_own_file(workshop, base):
    workshop.write(base, "bundles/base.yaml")
    workshop.write("applications: {shop: {charm: ../charms/web}}", "overlays/shop.yaml")
    bundle = workshop.load(base, "applications: {shop: {charm: ./charms/web}}")
    assert bundle.applications["shop"].spec.charm == str(workshop.directory / "charms/web")


@pytest.mark.parametrize("directive", ["include-file://title.txt", "include-base64://logo"])
def test_an_option_that_includes_a_file_is_refused(workshop, base, directive):
    overlay = f"applications: {{web: {{options: {{title: '{directive}'}}}}}}"
    refusal = workshop.refusal(base, overlay)
    assert refusal.startswith("overlay0.yaml:1: applications.web.options.title: the lab does not")


HERE = Origin()
patient = settings(
    max_examples=50,
    deadline=None,  # the machine that runs the tests may be busy
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
names = st.sampled_from(["a", "b", "c"])
scalars = st.one_of(st.none(), st.integers(0, 9)).map(
    lambda value: Scalar(value, "" if value is None else str(value), HERE)
)


def tables(values):
    return st.dictionaries(names, values, max_size=3).map(lambda entries: Table(entries, HERE))


fields = st.fixed_dictionaries(
    {},
    optional={
        "charm": scalars,
        "to": st.just(Items((), HERE)),
        "options": tables(scalars),
        "bindings": tables(scalars),
    },
).map(lambda entries: Table(entries, HERE))
endpoints = st.lists(names, min_size=2, max_size=2).map(
    lambda pair: Items(tuple(Scalar(name, name, HERE) for name in pair), HERE)
)
documents = st.fixed_dictionaries(
    {
        "applications": tables(st.one_of(fields, st.just(Scalar(None, "", HERE)))),
        "relations": st.lists(endpoints, max_size=3).map(lambda rs: Items(tuple(rs), HERE)),
    }
).map(lambda entries: Table(entries, HERE))


def applications(document):
    return document.entries["applications"].entries


def relations(document):
    return [tuple(e.text for e in r.items) for r in document.entries["relations"].items]


@patient
@given(documents)
def test_merging_nothing_changes_nothing(document):
    merged = merge(document, Table({}, HERE))
    assert (applications(merged), relations(merged)) == (
        applications(document),
        relations(document),
    )


@patient
@given(documents, documents)
def test_a_removed_application_leaves_no_relation_of_the_bundle(base, overlay):
    removed = {n for n, node in applications(overlay).items() if isinstance(node, Scalar)}
    merged = merge(base, overlay)
    assert not removed & applications(merged).keys()
    kept = relations(merged)[: len(relations(merged)) - len(relations(overlay))]
    assert not [pair for pair in kept if removed & set(pair)]


@patient
@given(documents, documents)
def test_relations_of_an_overlay_come_last_and_complete(base, overlay):
    added = relations(overlay)
    merged = relations(merge(base, overlay))
    assert merged[len(merged) - len(added) :] == added


@patient
@given(documents, documents)
def test_applications_that_no_overlay_names_stay_as_they_are(base, overlay):
    merged = applications(merge(base, overlay))
    untouched = applications(base).keys() - applications(overlay).keys()
    assert {n: merged[n] for n in untouched} == {n: applications(base)[n] for n in untouched}


@patient
@given(documents, documents)
def test_values_of_an_overlay_win(base, overlay):
    merged = applications(merge(base, overlay))
    for name, node in applications(overlay).items():
        if isinstance(node, Table) and "charm" in node.entries:
            assert merged[name].entries["charm"] == node.entries["charm"]


@patient
@given(documents, documents)
def test_merging_an_overlay_a_third_time_merges_no_more_than_the_second(base, overlay):
    # Not once: a new application is taken as it is, and only a merge drops its null options.
    twice = merge(merge(base, overlay), overlay)
    assert applications(merge(twice, overlay)) == applications(twice)


@patient
@given(text=st.text(alphabet="ab:-[]{}&*<>|#'\"\n 01,", max_size=60))
def test_any_text_is_read_or_refused(tmp_path, text):
    path = tmp_path / "bundle.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        found = [check_document(document, overlay=False) for document in read_documents(path)]
    except BundleError as error:
        assert error.problems
    else:
        assert all(problem.rule for problems in found for problem in problems)
