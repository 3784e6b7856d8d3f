"""What the server answers, whom it refuses, and that nobody keeps it busy."""

import json
import socket
import threading
import time
import urllib.request
from typing import Any

import numpy as np
import pytest

from nst_lightning.errors import InputError
from nst_lightning.preview import PreviewAddress
from nst_lightning.preview import server as server_module
from nst_lightning.preview.feed import LOOKING, Feed
from nst_lightning.preview.server import PreviewServer, server_at

from .conftest import ask, ask_raw, levels, picture, send

WISHES = ("pause", "resume", "finish")
PATHS = ("", "state", "nothing", *WISHES)


def test_it_listens_to_this_machine_alone(server: PreviewServer) -> None:
    assert server.address.startswith(f"http://127.0.0.1:{server.port}/")
    assert server._http.server_address[0] == "127.0.0.1"


def test_the_page_is_whole_and_keeps_to_itself(server: PreviewServer) -> None:
    answer = ask(server, "")
    assert answer.status == 200
    text = answer.body.decode()
    assert "Finish now" in text
    for word in ("https://", "//cdn", "@import", "url("):
        assert word not in text
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "X"])
def test_every_answer_is_kept_by_nobody_and_read_by_no_other_page(
    server: PreviewServer, path: str, method: str
) -> None:
    headers = ask(server, path, method, Origin=f"http://127.0.0.1:{server.port}").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert "Python" not in headers["Server"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_without_the_token_nothing_is_done(
    server: PreviewServer, feed: Feed, path: str, method: str
) -> None:
    wrong = [server.token[:-1] + ("a" if server.token[-1] != "a" else "b"), server.token[:-1], "x"]
    for token in (*wrong, server.token.swapcase(), f"{server.token}x", "%20", "..", ""):
        answer = ask_raw(server, f"/{token}/{path}", method)
        assert answer.status == 403
        assert server.token.encode() not in answer.body
    for whole in ("/", f"/{path}", f"/x/{server.token}/{path}", f"/?token={server.token}"):
        assert ask_raw(server, whole, method).status == 403
    assert feed.phase == "painting"
    assert not feed.is_watched


@pytest.mark.parametrize("path", ["", "state", "finish"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:{port}"])
def test_under_a_foreign_name_nothing_is_done(
    server: PreviewServer, feed: Feed, path: str, host: str
) -> None:
    method = "POST" if path == "finish" else "GET"
    given = host.format(port=server.port)
    assert ask(server, path, method, Host=given).status == 403
    said = send(server, f"{method} /{server.token}/{path} HTTP/1.1", "Connection: close")
    assert b" 403 " in said.splitlines()[0]
    twice = ("Host: 127.0.0.1", f"Host: {given}", "Connection: close")
    said = send(server, f"{method} /{server.token}/{path} HTTP/1.1", *twice)
    assert b" 403 " in said.splitlines()[0]
    assert feed.phase == "painting"
    # Through a tunnel the port is another.
    assert ask(server, "state", Host="localhost:9999").status == 200


@pytest.mark.parametrize("wish", WISHES)
def test_another_page_may_wish_nothing(server: PreviewServer, feed: Feed, wish: str) -> None:
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{server.port + 1}"):
        assert ask(server, wish, "POST", Origin=origin).status == 403
    for method in ("GET", "PUT", "DELETE"):
        assert ask(server, wish, method).status == 405
    assert feed.phase == "painting"


def test_wishes(server: PreviewServer, feed: Feed) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    assert ask(server, "pause", "POST", Origin=origin).json["phase"] == "pausing"
    assert ask(server, "resume", "POST", Origin=origin).json["phase"] == "painting"
    tunnel = {"Host": "localhost:9999", "Origin": "http://localhost:9999"}
    assert ask(server, "pause", "POST", **tunnel).json["phase"] == "pausing"
    assert ask(server, "resume", "POST", **tunnel).json["phase"] == "painting"
    assert ask(server, "pause", "POST").json["phase"] == "pausing"  # no page: a program
    assert ask(server, "finish", "POST").json["phase"] == "finishing"
    assert feed.finish_asked
    feed.tell("finished")
    assert ask(server, "pause", "POST").json["phase"] == "finished"


def test_an_address_without_its_last_stroke_leads_there(server: PreviewServer) -> None:
    answer = ask_raw(server, f"/{server.token}")
    assert answer.status == 308
    assert answer.headers["Location"] == f"/{server.token}/"


def test_what_is_sent_along_is_not_taken(server: PreviewServer, feed: Feed) -> None:
    assert ask(server, "pause", "POST", b"x" * 100).status == 200
    assert ask(server, "finish", "POST", b"x" * 100_000).status == 413
    start = f"POST /{server.token}/finish HTTP/1.1"
    for odd in ("Content-Length: -1", "Content-Length: x", "Transfer-Encoding: chunked"):
        assert b" 413 " in send(server, start, "Host: localhost", odd)
    assert not feed.finish_asked
    assert b" 414 " in send(server, f"GET /{'x' * 70_000} HTTP/1.1", "Host: localhost")
    many = [f"X-{n}: 1" for n in range(200)]
    assert b" 431 " in send(server, f"GET /{server.token}/ HTTP/1.1", "Host: localhost", *many)


def test_state_and_pictures(server: PreviewServer, feed: Feed) -> None:
    assert not feed.is_watched
    state = ask(server, "state").json
    assert feed.is_watched
    assert (state["step"], state["steps"], state["phase"]) == (2, 60, "painting")
    assert state["memory"] == 1.5e9
    assert state["shots"] == {"photograph": 1, "picture": 1}
    assert [step for step, _ in state["losses"]] == [1, 2]
    assert np.abs(picture(server) - levels(1)).mean() < 6  # 4x + 40 turns over at 256
    assert np.abs(picture(server, "photograph") - levels(5)).mean() < 6
    feed.show("picture", levels(2))
    assert ask(server, "state").json["shots"] == {"photograph": 1, "picture": 2}
    # What a page has is not sent again.
    for known, sent in (
        ("photograph=1&picture=1", {"picture"}),
        ("photograph=1&picture=2", set()),
        ("photograph=x&picture=2", {"photograph"}),
    ):
        for run, wanted in ((feed.run, sent), (feed.run + 1, {"photograph", "picture"})):
            assert ask(server, f"state?run={run}&{known}").json["pictures"].keys() == wanted


def test_losses_are_sent_once(server: PreviewServer, feed: Feed) -> None:
    run = ask(server, "state").json["run"]
    assert ask(server, f"state?run={run}&since=1").json["losses"][0][0] == 2
    assert ask(server, f"state?run={run}&since=2").json["losses"] == []
    assert len(ask(server, f"state?run={run + 1}&since=2").json["losses"]) == 2
    for odd in (
        "run=x&since=y",
        "since=-5",
        f"run={'9' * 5000}",
        "run=%00",
        "run=%D9%A3&since=%C2%B2",
    ):
        assert ask(server, f"state?{odd}").status == 200
    feed.add_losses(3, {"loss": float("nan"), "style": float("inf")})
    state = ask(server, f"state?run={run}&since=2").json
    assert state["losses"] == [[3, {"loss": None, "style": None}]]


def test_the_next_run_is_shown_at_the_same_address(server: PreviewServer, feed: Feed) -> None:
    feed.tell("finished")
    server.feed = following = Feed("dog x klimt")
    state = ask(server, f"state?run={feed.run}&since=2").json
    assert (state["run"], state["title"], state["shots"]) == (following.run, "dog x klimt", {})
    assert state["pictures"] == {}


def test_before_the_first_run() -> None:
    server = PreviewServer()
    try:
        assert ask(server, "state").json["phase"] == "waiting"
        assert ask(server, "finish", "POST").status == 200
    finally:
        server.close()


def test_other_numbers_of_this_machine() -> None:
    try:
        server = PreviewServer(PreviewAddress(host="::1"))
    except InputError:
        pytest.skip("no IPv6 here")
    try:
        assert server.address.startswith(f"http://[::1]:{server.port}/")
        with urllib.request.urlopen(f"{server.address}state") as answer:
            assert answer.status == 200
    finally:
        server.close()


def test_a_port_that_is_taken_is_refused_in_one_line(server: PreviewServer) -> None:
    with pytest.raises(InputError, match=f"preview.port: cannot listen at .* {server.port}"):
        PreviewServer(PreviewAddress(port=server.port))
    with pytest.raises(InputError, match=r"preview\.host"):
        PreviewServer(PreviewAddress(host="no.such.host.invalid"))
    with pytest.raises(InputError, match=r"preview\.host"):
        PreviewServer(PreviewAddress(host="192.0.2.1"))  # of no machine


def test_one_server_an_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server_module, "_servers", {})
    monkeypatch.setattr("atexit.register", lambda *_: None)
    at = PreviewAddress()
    one = server_at(at)
    other = server_at(PreviewAddress(host="0.0.0.0"))
    try:
        assert server_at(PreviewAddress()) is one
        said = capsys.readouterr().out.splitlines()
        assert said[0] == f"preview  {one.address}"
        assert said[1] == f"preview  {other.address}"
        assert said[2].startswith("note: the preview is not encrypted")
        assert len(said) == 3
        here = f"{socket.gethostname()}:{other.port}"
        assert here in other.address
        assert ask(other, "state", Host=here).status == 200
        assert ask(other, "state", Host="evil.example").status == 403
    finally:
        one.close()
        other.close()


def test_who_never_reads_holds_nobody_up(
    server: PreviewServer, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The large pictures fill every buffer on the way, and the thread that sends waits alone."""
    monkeypatch.setattr(server_module._Handler, "timeout", 3.0)
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    feed.show("picture", noise)
    before = threading.active_count()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        question = f"GET /{server.token}/state HTTP/1.1\r\nHost: localhost\r\n\r\n"
        deaf.sendall(question.encode() * 20)
        time.sleep(0.3)
        feed.show("picture", levels(1))
        feed.add_losses(3, {"loss": 1.0})
        assert ask(server, "state").status == 200
        assert threading.active_count() > before  # it still waits
        until = time.monotonic() + 20
        while threading.active_count() > before and time.monotonic() < until:
            time.sleep(0.05)
        assert threading.active_count() == before  # it was given up


def test_more_connections_than_there_is_room_for(
    server: PreviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._http, "_room", threading.Semaphore(2))
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
    time.sleep(0.3)
    try:
        with pytest.raises(OSError):
            ask(server, "state")
    finally:
        for connection in idle:
            connection.close()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            assert ask(server, "state").status == 200
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("no room again")


def test_a_flood_of_questions_is_answered_slowly(server: PreviewServer) -> None:
    """However many ask without a pause, all answers together are so many a second."""
    counts: list[int] = []
    until = time.monotonic() + 2.0

    def flood() -> None:
        count = 0
        while time.monotonic() < until:
            ask(server, "state")
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) <= 2 * server_module._ANSWERS + 16


def test_the_more_look_the_less_often_each_asks(server: PreviewServer) -> None:
    asked: list[Any] = [json.loads(server.state(n, -1, -1)) for n in range(40)]
    assert [state["again"] for state in asked[:5]] == [1.0] * 5
    assert asked[9]["again"] == 2.0
    # Who asks less often than that does not count as looking.
    assert asked[-1]["again"] == 4.0 < LOOKING - 1


def test_the_end_is_told_before_the_program_is_gone(server: PreviewServer) -> None:
    server.farewell()  # nobody looks: at once
    server.ends = False
    server.state("somebody", -1, -1)
    ending = threading.Thread(target=server.farewell)
    ending.start()
    time.sleep(0.2)
    assert ending.is_alive()
    assert json.loads(server.state("somebody", -1, -1))["ends"]
    ending.join(2.0)
    assert not ending.is_alive()
    server.ends = False
    server.state("nobody any more", -1, -1)
    server.farewell()  # it is not waited for without end
