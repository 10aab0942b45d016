"""What goes over the wire, byte by byte."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relations.hacluster import Identity, Keys, encode, read_identity, read_keys

NODE = Identity("node1.maas", "10.0.0.21")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_golden_databag_with_fencing():
    assert encode(NODE, stonith=True, resources=False) == {
        "remote-hostname": '"node1.maas"',
        "remote-ip": '"10.0.0.21"',
        "enable-resources": "false",
        "stonith-hostname": '"node1.maas"',
    }


def test_golden_databag_without_fencing():
    assert encode(Identity("n", "fd00::1"), stonith=False, resources=True) == {
        "remote-hostname": '"n"',
        "remote-ip": '"fd00::1"',
        "enable-resources": "true",
        "stonith-hostname": "null",
    }


@given(st.booleans(), st.booleans())
def test_every_value_is_json_and_the_fencing_name_is_the_nodes(stonith, resources):
    bag = {k: json.loads(v) for k, v in encode(NODE, stonith=stonith, resources=resources).items()}
    assert type(bag["enable-resources"]) is bool
    assert bag["stonith-hostname"] in (bag["remote-hostname"], None)


def test_what_was_published_is_read_back():
    assert read_identity(encode(NODE, stonith=True, resources=True)) == NODE


@given(
    st.dictionaries(
        st.sampled_from(["remote-hostname", "remote-ip"]),
        st.text() | st.sampled_from(['"x"', '"10.0.0.1"', "10.0.0.1", "null", "[]", "1", "{}"]),
    )
)
def test_anything_else_in_our_bag_reads_as_unpublished_or_valid(bag):
    identity = read_identity(bag)
    assert identity is None or (identity.hostname and identity.address)


def test_one_key_from_all():
    bags = {
        "h/0": {"pacemaker-key": b64(b"k\n")},
        "h/1": {"pacemaker-key": b64(b"k\n")},
        "h/2": {},
    }
    assert read_keys(bags) == Keys(b"k\n")


def test_units_that_disagree():
    bags = {"h/0": {"pacemaker-key": b64(b"old")}, "h/1": {"pacemaker-key": b64(b"new")}}
    assert read_keys(bags) == Keys(None, disagree=True)


@pytest.mark.parametrize("text", ["@@@", "abc", "é", '"aGk="', " "])
def test_invalid_keys_are_named_and_ignored(text):
    bags = {"h/1": {"pacemaker-key": text}, "h/0": {"pacemaker-key": b64(b"k")}}
    assert read_keys(bags) == Keys(b"k", invalid=("h/1",))
    assert read_keys({"h/1": {"pacemaker-key": text}}) == Keys(None, invalid=("h/1",))


def test_base64_may_be_wrapped():
    wrapped = b64(bytes(90))[:60] + "\n" + b64(bytes(90))[60:]
    assert read_keys({"h/0": {"pacemaker-key": wrapped}}).key == bytes(90)


@given(st.dictionaries(st.text(), st.dictionaries(st.just("pacemaker-key"), st.text())))
def test_no_key_makes_the_reader_fail(bags):
    keys = read_keys(bags)
    assert keys.key is None or keys.key
