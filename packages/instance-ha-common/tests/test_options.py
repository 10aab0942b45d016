import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instance_ha_common import options
from instance_ha_common.testing_certificates import CERTIFICATES

PEM = CERTIFICATES[0].strip()
BROKEN = "\n".join(PEM.splitlines()[:2] + PEM.splitlines()[3:])
"""One that has lost a line."""


def test_config_flags():
    text = " debug=True, a_b = c d ,x=,url=http://h:1/?q=2,"
    assert options.config_flags(text) == {
        "debug": "True",
        "a_b": "c d",
        "x": "",
        "url": "http://h:1/?q=2",
    }
    assert options.config_flags(None) == options.config_flags(" , ") == {}


@pytest.mark.parametrize(
    "text",
    ["'", "!!bool maybe", "!!int ''", "!!timestamp foo", "2024-13-45", "[" * 5000, "!!binary é"],
)
def test_what_is_no_yaml(text):
    """PyYAML raises for it whatever its parts do, from KeyError to RecursionError."""
    with pytest.raises(ValueError, match=r"^the-option: is not YAML$"):
        options.from_yaml("the-option", text)


def test_what_is():
    assert options.from_yaml("the-option", "a: [1, x]") == {"a": [1, "x"]}


def test_flags_of_other_sections():
    text = "debug=True, fencing/a-b = c d ,fencing/x=,DEFAULT/url=http://h:1/?q=2/3,"
    assert options.sectioned_flags(text) == {
        "DEFAULT": {"debug": "True", "url": "http://h:1/?q=2/3"},
        "fencing": {"a-b": "c d", "x": ""},
    }
    assert options.sectioned_flags(None) == {}


def test_flags_of_a_section_in_other_letters_are_of_that_section():
    """oslo.config makes no difference, so that the charm's own could be set past its check."""
    text = "Fencing/x=1, FENCING/y=2, default/z=3"
    assert options.sectioned_flags(text) == {
        "fencing": {"x": "1", "y": "2"},
        "DEFAULT": {"z": "3"},
    }


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
        (base64.b64encode(BROKEN.encode()).decode(), "cannot be read"),
        (base64.b64encode(f"{PEM}\n{BROKEN}".encode()).decode(), "cannot be read"),
        (base64.b64encode(PEM[:-1].encode()).decode(), "cannot be read"),
    ],
)
def test_certificates_that_are_none(value, problem):
    with pytest.raises(ValueError, match=f"ssl_ca: .*{problem}"):
        options.base64_certificates("ssl_ca", value)


def test_a_certificate_that_cannot_be_read_is_left_out():
    """OpenSSL reads none of the machine's authorities any more where one is among them."""
    assert options.pem_certificates(f"{BROKEN}\n{PEM}") == f"{PEM}\n"
    assert options.pem_certificates(BROKEN) is None
