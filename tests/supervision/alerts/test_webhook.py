"""One webhook against a real server."""

import socket
import threading
from collections.abc import Iterator

import pytest

from supervision.alerts.addresses import parse_networks
from supervision.alerts.exceptions import DeliveryError, InvalidChannel
from supervision.alerts.webhook import parse_target, send
from tests.support.http_sink import Sink, http_sink

LOOPBACK = parse_networks("127.0.0.0/8")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with http_sink() as made:
        yield made


def test_it_posts_the_body_with_its_headers(sink: Sink) -> None:
    assert send(parse_target(sink.url + "/a/b?c=d"), b"{}", {"X-Ours": "1"}, allowed=LOOPBACK) == 204
    [request] = sink.received
    assert (request.method, request.path, request.body) == ("POST", "/a/b?c=d", b"{}")
    assert request.headers["X-Ours"] == "1"


def test_loopback_is_refused_unless_it_is_allowed_and_nothing_is_sent(sink: Sink) -> None:
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1"):
        send(parse_target(sink.url), b"{}", {})
    assert sink.received == []


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_other_spellings_of_loopback_are_refused(sink: Sink, host: str) -> None:
    with pytest.raises(DeliveryError):
        send(parse_target(f"http://{host}:{sink.port}/"), b"{}", {})
    assert sink.received == []


def test_the_address_that_was_looked_at_is_the_one_connected_to(sink: Sink) -> None:
    """The name is not resolved a second time: whoever answers differently then gains nothing."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    send(parse_target(f"http://hooks.example:{sink.port}/"), b"{}", {}, allowed=LOOPBACK, resolve=resolve)
    assert asked == ["hooks.example"]
    assert sink.received[0].headers["Host"] == f"hooks.example:{sink.port}"


def test_a_redirect_is_a_failure_and_is_not_followed(sink: Sink) -> None:
    sink.answers, sink.location = [302], f"{sink.url}/secret"
    with pytest.raises(DeliveryError, match="redirects are not followed"):
        send(parse_target(sink.url), b"{}", {}, allowed=LOOPBACK)
    assert len(sink.received) == 1


def test_an_error_answer_is_a_failure_that_does_not_show_the_path(sink: Sink) -> None:
    sink.answers = [500]
    with pytest.raises(DeliveryError, match="500") as failed:
        send(parse_target(sink.url + "/token-4711"), b"{}", {}, allowed=LOOPBACK)
    assert "4711" not in str(failed.value)


def test_a_receiver_that_hangs_is_given_up_at_the_deadline(sink: Sink) -> None:
    sink.stall = threading.Event()
    with pytest.raises(DeliveryError):
        send(parse_target(sink.url), b"{}", {}, allowed=LOOPBACK, deadline_s=0.3)


def test_a_receiver_that_drips_is_cut_at_the_deadline() -> None:
    """Each byte comes in time, the answer never."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            while not ended.wait(0.05):
                try:
                    connection.sendall(b"H")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(DeliveryError):
            send(
                parse_target(f"http://127.0.0.1:{server.getsockname()[1]}/"),
                b"",
                {},
                allowed=LOOPBACK,
                deadline_s=0.4,
            )
    finally:
        ended.set()
        thread.join()
        server.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://a/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("https:///x", "no host"),
        ("https://a b/", "spaces"),
        ("https://a/\r\nX: 1", "spaces"),
        ("https://u:p@a/", "user or password"),
        ("https://a:99999/", "not a URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(InvalidChannel, match=words):
        parse_target(url)
