"""The cluster's configuration: Corosync's, and what hacluster writes for hypervisors."""

from collections.abc import Mapping, Sequence

_COROSYNC = """\
totem {{
    version: 2
    cluster_name: scale
    transport: udpu
    token: 3000
    token_retransmits_before_loss_const: 10
    join: 60
    consensus: 3600
    max_messages: 20
    secauth: off
}}
quorum {{
    provider: corosync_votequorum
}}
nodelist {{
{nodes}}}
logging {{
    to_stderr: no
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    to_syslog: no
}}
uidgid {{
    uid: hacluster
    gid: haclient
}}
"""


def corosync(addresses: Sequence[str]) -> str:
    """Return corosync.conf for members with these addresses, numbered from 1 on."""
    nodes = "".join(
        f"    node {{\n        ring0_addr: {address}\n        nodeid: {number}\n    }}\n"
        for number, address in enumerate(addresses, 1)
    )
    return _COROSYNC.format(nodes=nodes)


def resources(members: Sequence[str], remotes: Mapping[str, str]) -> str:
    """Return what hacluster writes for its hypervisors, with another agent for the power.

    The monitors of the devices begin at once, which the charm sees to elsewhere: whether it is in
    time or half a minute late would be all that is seen of how soon a cluster is connected.

    Args:
        members: their names, in the order of their numbers.
        remotes: the hypervisors' addresses by their names.
    """
    names = list(remotes)
    connections = "".join(
        f'<primitive id="{name}" class="ocf" provider="pacemaker" type="remote">'
        f'<instance_attributes id="{name}-ia"><nvpair id="{name}-s" name="server" '
        f'value="{address}"/><nvpair id="{name}-r" name="reconnect_interval" value="60"/>'
        f'</instance_attributes><operations><op id="{name}-m" name="monitor" interval="30s"/>'
        "</operations></primitive>"
        for name, address in remotes.items()
    )
    rules = "".join(
        f'<rsc_location id="loc-{name}-{member}" rsc="{name}" node="{member}" '
        f'score="{200 if i == n % 3 else 0}"/>'
        for n, name in enumerate(names)
        for i, member in enumerate(members)
    )
    devices = "".join(
        f'<primitive id="{name}" class="stonith" type="{agent}"><instance_attributes '
        f'id="{name}-ia"><nvpair id="{name}-h" name="{option}" value="{" ".join(listed)}"/>'
        f'{extra}</instance_attributes><operations><op id="{name}-m" name="monitor" '
        'interval="25" timeout="25"/></operations></primitive>'
        for name, agent, option, listed, extra in (
            ("st-power", "fence_scale", "pcmk_host_list", names, ""),
            ("st-null", "null", "hostlist", members, ""),
        )
    )
    rules += "".join(
        f'<rsc_location id="loc-{name}-{member}" rsc="{name}" node="{member}" score="0"/>'
        for name in ("st-power", "st-null")
        for member in members
    )
    nodes = "".join(
        f'<node id="{number}" uname="{name}"{kind}><instance_attributes id="n-{name}">'
        f'<nvpair id="j-{name}" name="juju-machine" value="{machine}"/></instance_attributes>'
        "</node>"
        for number, name, kind, machine in (
            *((str(n), name, "", f"m{n}") for n, name in enumerate(members, 1)),
            *((name, name, ' type="remote"', str(n)) for n, name in enumerate(names, 1)),
        )
    )
    values = {"symmetric-cluster": "false", "stonith-enabled": "true"}
    options = "".join(
        f'<nvpair id="o-{key}" name="{key}" value="{value}"/>' for key, value in values.items()
    )
    return (
        f'<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">{options}'
        f"</cluster_property_set></crm_config><nodes>{nodes}</nodes><resources>{devices}{connections}</resources>"
        f"<constraints>{rules}</constraints></configuration>"
    )
