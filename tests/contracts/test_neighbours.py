"""What our charms publish, read by the neighbours with all their weaknesses.

The neighbours are the lab's stand-ins, which decode databags and fail on them as the Charmhub
charms do.
"""

import ipaddress
import re

import pytest
from charm_sources import STANDINS, load, source

HACLUSTER = STANDINS / "hacluster" / "src"
plan, databags = load("plan", HACLUSTER), load("databags", HACLUSTER)
keystone = load("protocol", STANDINS / "keystone" / "src")
mysql = load("mysql_protocol", STANDINS / "_standin")

masakari_ha = load("relations.hacluster", source("masakari"))
masakari_identity = load("relations.keystone", source("masakari"))
masakari_database = load("relations.database", source("masakari"))
monitors_identity = load("relations.keystone", source("masakari-monitors"))
remote = load("relations.hacluster", source("pacemaker-remote"))

NODE = remote.Identity("node1.maas", "10.0.0.21")
URLS = {kind: f"https://{kind}:15868/v1/%(tenant_id)s" for kind in ("public", "admin", "internal")}


def vip(address):
    return masakari_ha.Vip(ipaddress.ip_address(address), "eth0", "eth0", 24)


def resources(*vips, names=(), published=None):
    return masakari_ha.request(
        [vip(address) for address in vips], names, interface="eth0", published=published or {}
    )


def cib(*shown):
    """A cluster of two members with these primitives."""
    primitives = "".join(f'<primitive id="{name}" class="ocf" type="x"/>' for name in shown)
    return plan.Cib(
        "<cib><configuration><crm_config/><nodes>"
        '<node id="1" uname="ha1"/><node id="2" uname="ha2"/></nodes>'
        f"<resources>{primitives}</resources><constraints/></configuration><status/></cib>"
    )


def created(bag):
    """Names of what hacluster creates from a principal's databag in an empty cluster."""
    made = plan.Plan(cib(), {})
    made.add_principal(plan.Principal.read(bag))
    return [statement.text.split()[1] for statement in made.statements]


# hacluster


@pytest.mark.parametrize("stonith", [True, False])
def test_no_value_is_bare_text_on_which_hacluster_fails(stonith):
    """It reads what is not JSON as Python, and a bare host name is neither."""
    bag = remote.encode(NODE, stonith=stonith, resources=False)
    fenced = NODE.hostname if stonith else ""
    assert plan.Remote.read(bag) == plan.Remote(NODE.hostname, NODE.address, fenced)


@pytest.mark.parametrize("allowed", [True, False])
def test_hacluster_understands_whether_hypervisors_take_resources(allowed):
    """Text that merely reads `true` is ignored, and then no rule keeps resources away."""
    bag = remote.encode(NODE, stonith=False, resources=allowed)
    assert databags.resources_on_remotes([bag, bag]) is allowed


def test_the_fencing_device_lists_the_node_by_its_own_name():
    """A device that knows only another name of the node cannot fence it."""
    bag = remote.encode(NODE, stonith=True, resources=False)
    names = plan.fencing_names([plan.Remote.read(bag).stonith_name])
    assert NODE.hostname in names.split()


def test_without_fencing_hacluster_needs_no_credentials_of_maas():
    """It fails where one node asks for fencing while they are missing."""
    bag = remote.encode(NODE, stonith=False, resources=False)
    assert not plan.Remote.read(bag).stonith_name


@pytest.mark.parametrize(
    "vips", [("10.5.100.1",), ("10.5.100.1", "10.6.100.1", "fd00::10", "fd00::11")]
)
def test_no_resource_is_hidden_by_anothers_name(vips):
    """What occurs anywhere in the configuration, hacluster takes for created."""
    bag = resources(*vips)
    wanted = plan.Principal.read(bag)
    everything = [*wanted.resources, *wanted.groups, *wanted.clones]
    assert len(everything) == len(vips) + 3
    assert sorted(created(bag)) == sorted(everything)


def test_the_group_is_whole_when_it_is_created():
    """A group that exists is never changed, whatever comes later."""
    wanted = plan.Principal.read(resources("10.5.100.1", "10.6.100.1"))
    (members,) = wanted.groups.values()
    assert set(members.split()) == {name for name in wanted.resources if name.endswith("_vip")}


def test_what_is_to_be_deleted_is_a_list_and_nothing_that_is_wanted():
    first = resources("10.5.100.1", "10.6.100.1")
    second = resources("10.5.100.1", published=first)
    third = resources("10.5.100.1", "10.6.100.1", published=second)
    for bag in (first, second, third):
        wanted = plan.Principal.read(bag)
        assert isinstance(wanted.delete_resources, list)
        assert not set(wanted.delete_resources) & {*wanted.resources, *wanted.groups}
    gone = set(plan.Principal.read(first).resources) - set(plan.Principal.read(second).resources)
    assert gone <= set(plan.Principal.read(second).delete_resources)


def test_hacluster_finds_the_address_of_a_dns_name():
    """It looks for one that follows a blank, and overlooks any other."""
    names = [masakari_ha.DnsName("public", "api.example.com", "10.5.0.31")]
    params = plan.Principal.read(resources(names=names)).resource_params
    text = params["res_masakari_public_hostname"]
    found = re.match(r'.* ip_address="([a-fA-F\d:.]+)".*', text)
    assert found
    assert found[1] == "10.5.0.31"


def test_hacluster_is_given_no_map_of_services_for_upstart():
    """A map would have it write files for an init system that is long gone."""
    assert databags.decode(resources("10.5.100.1"), "init_services") == ["haproxy"]


# Keystone


def test_keystone_registers_one_service_that_it_knows():
    """A key that ends in `_service`, or another service's name, ends in an error of its hook."""
    (endpoint,) = keystone.endpoints(masakari_identity.request("RegionOne", URLS))
    assert (endpoint.service, endpoint.kind) == ("masakari", "instance-ha")
    assert endpoint.urls == URLS


def test_no_value_reads_none_after_which_keystone_sends_no_account():
    for bag in (masakari_identity.request("RegionOne", URLS), monitors_identity.REQUEST):
        assert not keystone.wants_no_endpoint(bag)


# The database


def test_mysql_router_sees_one_request_and_no_prefix():
    """It takes every further key for one more database, remembers it and never gets ready."""
    bag = masakari_database.request("10.6.0.31")
    assert mysql.requests(bag) == {"": bag}
