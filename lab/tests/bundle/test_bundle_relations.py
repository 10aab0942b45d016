"""Both ends of a relation exist, fit together, and are named once."""

import pytest


@pytest.fixture
def refusal(workshop):
    """Return what is wrong with one relation between the applications of the shelf."""

    def run(*relations, bases=""):
        lines = "".join(f"  - {relation}\n" for relation in relations)
        return workshop.refusal(SHELF.format(bases=bases) + "relations:\n" + lines)

    return run


@pytest.fixture
def relate(workshop):
    """Return the complete endpoints of relations."""

    def run(*relations):
        lines = "".join(f"  - {relation}\n" for relation in relations)
        bundle = workshop.load(SHELF.format(bases="") + "relations:\n" + lines)
        return [(r.endpoint1, r.endpoint2) for r in bundle.relations]

    return run


SHELF = """
applications:
  web: {{charm: web}}
  shop: {{charm: web}}
  db: {{charm: db}}
  twin-db: {{charm: twin-db}}
  proxy: {{charm: proxy}}
  agent: {{charm: agent, {bases}}}
  watcher: {{charm: agent}}
  cluster: {{charm: cluster}}
"""


def test_written_endpoints_stay(relate):
    assert relate("['web:db', 'db:sql']") == [("web:db", "db:sql")]


def test_endpoints_are_inferred_when_one_pair_is_possible(relate):
    assert relate("[web, db]") == [("web:db", "db:sql")]


def test_one_endpoint_is_inferred_from_the_other(relate):
    assert relate("['web:extra-db', twin-db]") == [("web:extra-db", "twin-db:old")]


def test_the_implicit_endpoint_is_inferred_last(relate):
    assert relate("[web, cluster]") == [("web:ha", "cluster:ha")]


def test_the_implicit_endpoint_is_inferred_when_nothing_else_fits(relate):
    assert relate("[db, agent]") == [("db:juju-info", "agent:host")]


def test_several_possible_pairs_are_refused(refusal):
    assert refusal("[web, twin-db]") == (
        "bundle.yaml:12: relations[0]: ambiguous relation: web twin-db could refer to "
        "web:db twin-db:sql; web:extra-db twin-db:old"
    )


def test_two_endpoints_of_one_charm_are_ambiguous(refusal):
    assert "could refer to proxy:upstream web:status; proxy:upstream web:website" in refusal(
        "[proxy, web]"
    )


def test_applications_that_do_not_fit_are_refused(refusal):
    assert "no endpoints of db and proxy fit together" in refusal("[db, proxy]")


def test_peers_are_not_inferred(refusal):
    assert "fit together" in refusal("[web, shop]")


def test_an_unknown_endpoint_is_refused(refusal):
    assert refusal("['web:database', 'db:sql']") == (
        "bundle.yaml:12: relations[0]: relation [web:database, db:sql]: charm "
        '"web" has no endpoint "database"'
    )


def test_an_application_that_is_not_there_is_refused(refusal):
    assert 'refers to the application "nginx", which is not in the bundle' in refusal(
        "['web:db', 'nginx:db']"
    )


def test_an_application_related_to_itself_is_refused(refusal):
    assert "relates an application to itself" in refusal("['web:db', 'web:website']")


@pytest.mark.parametrize(
    ("relation", "rule"),
    [
        ("['web:website', 'db:sql']", "relates provider to provider"),
        ("['web:db', 'proxy:upstream']", "relates requirer to requirer"),
        ("['web:website', 'shop:db']", "has mismatched interfaces: http and sql"),
        ("['web:cluster', 'shop:cluster']", "names an endpoint for peers"),
    ],
)
def test_endpoints_that_do_not_fit_are_refused(refusal, relation, rule):
    assert rule in refusal(relation)


@pytest.mark.parametrize("relation", ["[web]", "['web:db', 'db:sql', 'twin-db:sql']", "[]"])
def test_a_relation_has_two_endpoints(refusal, relation):
    assert "not 2" in refusal(relation)


@pytest.mark.parametrize("endpoint", ["web:", ":db", "web:db:x", "Web:db", "web-2:db"])
def test_what_is_no_endpoint_is_refused(refusal, endpoint):
    assert f'"{endpoint}" is not an endpoint' in refusal(f"['{endpoint}', 'db:sql']")


@pytest.mark.parametrize("again", ["['web:db', 'db:sql']", "['db:sql', 'web:db']", "[db, web]"])
def test_a_relation_is_defined_once(refusal, again):
    refusal_text = refusal("['web:db', 'db:sql']", again)
    assert "is defined more than once; the first is at" in refusal_text
    assert refusal_text.startswith("bundle.yaml:13: relations[1]")


def test_a_relation_of_the_bundle_is_refused_again_in_an_overlay(workshop, base):
    refusal_text = workshop.refusal(base, "relations: [['db:sql', 'web:db']]")
    assert refusal_text.startswith("overlay0.yaml:1: relations[0]:")
    assert "bundle.yaml:18: relations[0]" in refusal_text


def test_a_container_scoped_relation_needs_a_subordinate(workshop):
    workshop.write(
        """
        name: host-agent
        requires: {host: {interface: juju-info, scope: container}}
        """,
        "charms/host-agent/charmcraft.yaml",
    )
    text = """
        applications: {web: {charm: web}, host-agent: {charm: host-agent}}
        relations: [["web:juju-info", "host-agent:host"]]
    """
    assert "requires at least one subordinate application" in workshop.refusal(text)


def test_a_subordinate_with_another_base_than_its_principal_is_refused(workshop):
    text = """
        applications:
          db: {charm: db, base: ubuntu@22.04}
          agent: {charm: agent, base: ubuntu@24.04}
        relations: [["db:juju-info", "agent:host"]]
    """
    assert "db runs on ubuntu@22.04, agent on ubuntu@24.04" in workshop.refusal(text)


def test_other_relations_may_join_different_bases(workshop):
    text = """
        applications:
          web: {charm: web, base: ubuntu@22.04}
          db: {charm: db, base: ubuntu@24.04}
        relations: [["web:db", "db:sql"]]
    """
    assert workshop.load(text).relations


def test_the_charms_limit_of_relations_is_kept(refusal):
    text = refusal("['web:db', 'db:sql']", "['web:db', 'twin-db:sql']")
    assert "web:db would exceed its limit of 1 relations" in text
