"""When servers do not answer: what was shown stays, what is not known is called so, and all comes back by itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.test import AsyncClient

from dashboard.consumers import place
from dashboard.gateway.errors import GatewayError
from dashboard.gateway.feeds import ServerFeed
from dashboard.gateway.gateway import Gateway
from dashboard.gateway.session import Session
from dashboard.gateway.sources import ServerAddress
from dashboard.places.rows import row_id
from ensemble.client import ClientError
from tests.dashboard.conftest import text_of
from tests.dashboard.live.browsing import open_place, push
from tests.dashboard.planted import REASON, Planted
from tests.dashboard.recording import Recording, process

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = f'id="item-{row_id("/")}"'


class Answering:
    """A server's admin port that lists what it is told to."""

    def __init__(self, *sessions: dict[str, Any]) -> None:
        self.listed = list(sessions)

    async def sessions(self) -> tuple[list[dict[str, Any]], int]:
        return self.listed, len(self.listed)

    async def watches(self) -> tuple[list[dict[str, Any]], int]:
        return [], 0


def session(name: str) -> dict[str, Any]:
    """Return a session whose client is connected nowhere that is known."""
    return dict.fromkeys(("remaining_ms", "owner", "client", "last_zxid", "last_op", "secure")) | {
        "session": name,
        "timeout_ms": 6000,
        "connected_here": False,
        "local": False,
        "read_only": False,
        "ephemerals": [],
        "ephemerals_total": 0,
        "watches": 0,
        "outstanding": 0,
        "received": 0,
        "sent": 0,
    }


@pytest.fixture
def planted(gateway: Gateway, recorded: Recording, monkeypatch: pytest.MonkeyPatch) -> Planted:
    monkeypatch.setattr(place, "RETRY_S", 0.02)
    recorded.ensemble()
    return Planted(gateway, ["/app", "/app/a"])


async def test_a_tree_that_could_not_be_read_appears_when_it_can(
    planted: Planted, viewer: AsyncClient
) -> None:
    planted.silent = True
    page = text_of(await viewer.get("/tree/", {"path": "/app/a"}))
    assert "The tree cannot be read" in page
    assert '<input type="hidden" name="unread" value="1" form="place-state">' in page
    assert ROOT in page, "there is a place for it"
    socket = await open_place(viewer, "tree", unread="1", selected="/app/a")
    await push(socket, 'id="live-note"', REASON)
    planted.silent = False
    html = await push(socket, ROOT, 'id="tree-unread"', 'id="tree-detail"')
    assert f'id="row-{row_id("/app/a")}"' in html
    assert 'name="unread"' not in html
    assert '<p id="live-note" class="note" role="status" hidden' in html
    await socket.disconnect()


async def test_what_changed_while_nobody_answered_is_drawn_afterwards(
    gateway: Gateway, planted: Planted, viewer: AsyncClient
) -> None:
    socket = await open_place(viewer, "tree", open=["100:/", "100:/app"], selected="/app")
    await push(socket, f'id="kids-{row_id("/app")}"', 'id="tree-detail"')
    planted.silent = True
    gateway.publisher.mark("watches")  # touches the detail, which stays as it is
    html = await push(socket, 'id="live-note"', REASON)
    assert 'id="tree-detail"' not in html
    planted.plant("/app/b")
    planted.silent = False
    html = await push(socket, f'id="kids-{row_id("/app")}"', 'id="live-note"[^>]*hidden')
    assert f'id="row-{row_id("/app/b")}"' in html
    await socket.disconnect()


async def test_waiting_for_an_answer_in_vain_is_done_once(planted: Planted, viewer: AsyncClient) -> None:
    planted.silent = True
    page = text_of(await viewer.get("/tree/"))
    assert page.count(REASON) == 2, "beside the tree and in the detail"
    assert planted.asked == 1


async def test_what_is_no_path_does_not_hide_the_tree(planted: Planted, viewer: AsyncClient) -> None:
    page = text_of(await viewer.get("/tree/", {"path": "app//a"}))
    assert "is not a path a znode can have" in page
    assert f'id="row-{row_id("/app")}"' in page


@pytest.mark.parametrize(
    ("took_s", "pause_s"), [(0.0, 0.3), (0.1, 0.7), (9.0, 3.0)], ids=["cheap", "dear", "waited in vain"]
)
def test_a_long_wait_for_servers_does_not_keep_a_page_from_what_they_say_next(
    took_s: float, pause_s: float
) -> None:
    assert place.pause_after(took_s, 0.3) == pytest.approx(pause_s)


async def test_viewers_who_ask_together_wait_together(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0

    class Nobody:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        async def start(self, _: float) -> None:
            nonlocal attempts
            attempts += 1
            await asyncio.sleep(0)
            raise ClientError("nobody answers")

    monkeypatch.setattr("dashboard.gateway.session.ZooKeeper", Nobody)
    opening = Session()
    opening.addresses = ("127.0.0.1:1",)
    results = await asyncio.gather(*(opening.client() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, GatewayError) for result in results)
    assert attempts == 1
    with pytest.raises(GatewayError):
        await opening.client()
    assert attempts == 2, "who asks later is not told what was"


async def test_a_client_is_not_called_gone_while_a_server_is_silent(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    gateway.clients[1] = Answering(session("0x1"))  # type: ignore[assignment]
    page = text_of(await viewer.get("/sessions/", {"session": "0x1"}))
    assert "not known: s2, s3 could not be asked" in page
    assert "not connected<" not in page
    gateway.model.on_processes([process(1), process(2, "killed"), process(3, "stopped")])
    gateway.holders._kept.clear()
    page = text_of(await viewer.get("/sessions/", {"session": "0x1"}))
    assert page.count("not connected<") == 2
    assert "No server can be asked" not in page


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("sessions", "Sessions are not shown"),
        ("watches", "Watches are not shown"),
        ("pipeline", "Proposals are not shown"),
    ],
)
async def test_servers_of_which_only_the_client_port_is_known_are_not_called_silent(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient, place: str, said: str
) -> None:
    """As every server of Apache's: nobody asked them, so nobody may say that they do not answer."""
    await ServerFeed(ServerAddress(1, "zk1:2181", None), "", gateway.model, gateway.publisher).run()
    page = text_of(await viewer.get(f"/{place}/"))
    assert said in page
    assert "Tree only" in page
    assert "only client ports are known" in page
    assert "not answer" not in page.partition("<main")[2].partition("</main>")[0]


async def test_no_watches_where_one_server_answers_are_not_nobody_asked(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    assert "No server can be asked" in text_of(await viewer.get("/watches/"))
    gateway.clients[1] = Answering()  # type: ignore[assignment]
    page = text_of(await viewer.get("/watches/"))
    assert "Nobody waits on a server that answers; s2, s3 do not answer." in page


async def test_the_count_of_znodes_below_the_tree_follows(
    gateway: Gateway, planted: Planted, recorded: Recording, viewer: AsyncClient
) -> None:
    socket: WebsocketCommunicator = await open_place(viewer, "tree", selected="/")
    assert "1,204 znodes" in await push(socket, 'id="tree-count"')
    for sid in (1, 2, 3):
        gateway.model.servers[sid].status["znodes"] = 1205
    gateway.publisher.mark("summary")
    assert "1,205 znodes" in await push(socket, 'id="tree-count"')
    await socket.send_to(text_data=json.dumps({"selected": "/"}))
    await socket.disconnect()
