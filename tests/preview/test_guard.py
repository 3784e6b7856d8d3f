"""Under which names, and from where, the server may be asked."""

import math

import pytest

from nst_lightning.preview.guard import (
    is_own_host,
    is_own_origin,
    is_token,
    new_token,
    own_names,
)


def test_a_token_is_long_random_and_fits_an_address() -> None:
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    for token in tokens:
        assert math.log2(64) * len(token) >= 128
        assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@pytest.mark.parametrize(
    "given", ["", "abc", "abcdefgi", "abcdefghi", "ABCDEFGH", "äbcdefgh", "\udc80"]
)
def test_only_the_token_is_the_token(given: str) -> None:
    assert is_token("abcdefgh", "abcdefgh")
    assert not is_token(given, "abcdefgh")


@pytest.mark.parametrize(
    "header",
    ["127.0.0.1:4000", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:80", "10.0.0.7:4"],
)
def test_loopback_with_any_port_and_where_the_request_came_in(header: str) -> None:
    # An ssh tunnel begins at a port of its own.
    assert is_own_host(header, own_names("127.0.0.1"), "10.0.0.7")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "evil.example",
        "evil.example:4000",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "evil.example@127.0.0.1",
        "127.0.0.1@evil.example",
        "127.0.0.1/evil",
        "127.0.0.1:x",
        "127.0.0.1:99999",
        "127.0.0.1#evil",
        "0.0.0.0:80",
        "10.0.0.8",
        "[::1",
        "[::2]:80",
    ],
)
def test_other_names_are_foreign(header: str | None) -> None:
    assert not is_own_host(header, own_names("127.0.0.1"), "127.0.0.1")


def test_a_host_that_was_asked_for_is_the_servers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Studio")
    assert is_own_host("studio.local:80", own_names("studio.local"), "10.0.0.7")
    assert is_own_host("studio:80", own_names("0.0.0.0"), "10.0.0.7")
    assert is_own_host("studio:80", own_names("::"), "10.0.0.7")
    assert not is_own_host("studio:80", own_names("127.0.0.1"), "127.0.0.1")


def test_origins() -> None:
    assert is_own_origin(None, "127.0.0.1:80")
    assert is_own_origin("http://127.0.0.1:80", "127.0.0.1:80")
    for origin in ("null", "http://evil.example", "http://127.0.0.1:81", "https://127.0.0.1:80"):
        assert not is_own_origin(origin, "127.0.0.1:80")
    assert not is_own_origin("http://None", None)
