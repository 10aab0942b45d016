"""Keystone's and Vault's databags."""

import pytest
from hypervisor import CHAIN, KEYSTONE, PEM
from hypothesis import given
from hypothesis import strategies as st
from relations import certificates, keystone


def test_a_whole_answer():
    credentials = keystone.read(KEYSTONE)
    assert credentials == keystone.Credentials(
        public_url="https://10.5.100.0:5000/v3",
        admin_url="https://10.7.100.0:35357/v3",
        username="masakari-monitors",
        password="h7V$x",
        project="services",
        user_domain="service_domain",
        project_domain="service_domain",
    )
    assert "h7V" not in repr(credentials)


def test_ipv6_is_bracketed():
    bag = {**KEYSTONE, "credentials_host": "fd00::10", "auth_host": "fd00::11"}
    credentials = keystone.read(bag)
    assert credentials.public_url == "https://[fd00::10]:5000/v3"
    assert credentials.admin_url == "https://[fd00::11]:35357/v3"


def test_domains_that_an_old_keystone_does_not_send():
    bag = {k: v for k, v in KEYSTONE.items() if "domain" not in k}
    credentials = keystone.read(bag)
    assert credentials.user_domain == credentials.project_domain == "service_domain"


def test_no_address_of_the_unit_itself_is_needed():
    assert "private-address" not in KEYSTONE
    assert keystone.complete(KEYSTONE)


@pytest.mark.parametrize("value", ["a\nb", "x\r", "\0"])
@pytest.mark.parametrize("key", ["credentials_password", "auth_host", "domain"])
def test_an_answer_that_would_break_a_line_is_none(key, value):
    assert not keystone.complete({**KEYSTONE, key: value})


@pytest.mark.parametrize("prefix", ["auth", "credentials"])
@pytest.mark.parametrize(
    ("part", "value"),
    [("port", "fivethousand"), ("port", "65536"), ("protocol", "htp"), ("host", "a b")],
)
def test_an_answer_that_makes_no_url_is_none(prefix, part, value):
    assert not keystone.complete({**KEYSTONE, f"{prefix}_{part}": value})


def test_root_and_chain():
    assert certificates.authority({"vault/0": {"ca": PEM, "chain": CHAIN}}) == PEM + CHAIN


def test_the_first_unit_with_a_root():
    bags = {"vault/2": {"ca": CHAIN}, "vault/0": {"chain": CHAIN}, "vault/1": {"ca": PEM}}
    assert certificates.authority(bags) == PEM


def test_no_root_yet():
    assert certificates.authority({"vault/0": {"client.cert": PEM, "ca": "junk"}}) is None


@given(st.dictionaries(st.text(), st.dictionaries(st.sampled_from(["ca", "chain"]), st.text())))
def test_any_bag_of_vaults(bags):
    authority = certificates.authority(bags)
    assert authority is None or authority.startswith("-----BEGIN CERTIFICATE-----")
