import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instance_ha_common import options

PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"


def test_config_flags():
    text = " debug=True, a_b = c d ,x=,url=http://h:1/?q=2,"
    assert options.config_flags(text) == {
        "debug": "True",
        "a_b": "c d",
        "x": "",
        "url": "http://h:1/?q=2",
    }
    assert options.config_flags(None) == options.config_flags(" , ") == {}


def test_flags_of_other_sections():
    text = "debug=True, fencing/a-b = c d ,fencing/x=,DEFAULT/url=http://h:1/?q=2/3,"
    assert options.sectioned_flags(text) == {
        "DEFAULT": {"debug": "True", "url": "http://h:1/?q=2/3"},
        "fencing": {"a-b": "c d", "x": ""},
    }
    assert options.sectioned_flags(None) == {}


@pytest.mark.parametrize(
    "text", ["a", "/a=b", "a/=b", "a/b/c=d", "a=b\n[api]\nx=1", "[x]/a=1", "a b/c=d", "a/b=c,d"]
)
def test_flags_of_other_sections_that_are_none(text):
    with pytest.raises(ValueError, match="config-flags: expected key=value or section/key=value"):
        options.sectioned_flags(text)


@pytest.mark.parametrize(
    "text", ["a", "a/b=c", "=b", "a=b\n[api]\nx=1", "[x]=1", "a b=c", "a=b,c"]
)
def test_config_flags_that_are_none(text):
    with pytest.raises(ValueError, match="config-flags: expected key=value"):
        options.config_flags(text)


@given(st.text())
def test_config_flags_never_write_more_than_their_line(text):
    try:
        flags = options.config_flags(text)
    except ValueError:
        return
    assert not any("\n" in part for pair in flags.items() for part in pair)


def test_certificates_from_base64():
    encoded = base64.b64encode(f"comment\n{PEM}\n{PEM}".encode()).decode()
    assert options.base64_certificates("ssl_ca", encoded) == f"{PEM}\n{PEM}\n"
    assert options.base64_certificates("ssl_ca", " ") is None
    assert options.base64_certificates("ssl_ca", None) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("@@@", "not base64"),
        (base64.b64encode(b"\xff\xfe").decode(), "not base64"),
        (base64.b64encode(b"-----BEGIN RSA PRIVATE KEY-----").decode(), "no PEM certificate"),
    ],
)
def test_certificates_that_are_none(value, problem):
    with pytest.raises(ValueError, match=f"ssl_ca: .*{problem}"):
        options.base64_certificates("ssl_ca", value)
