"""Sockets that send as much as they can while syncs run (F24)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest
from socketio.exceptions import BadNamespaceError

from tests.faults.conftest import ALL
from tests.journeys.conftest import EMAIL, PASSWORD, Server, servers_in
from tests.journeys.script import Script
from tests.journeys.stranger import HYDRATE, cookie_of, events, knock
from tests.journeys.world_totals import Span, expected_ads, stored_ads

FLOODS = 8 if ALL else 3


async def flood(server: Server, cookie: str, done: asyncio.Event, ended: list[str]) -> None:
    """Send without a pause, on a new socket whenever one is ended; `ended` gets a line for each."""
    names = [HYDRATE, *sorted(events())[:20]]
    while not done.is_set():
        async with knock(server, cookie=cookie, origin=server.url) as socket:
            with contextlib.suppress(BadNamespaceError):  # it is ended in mid-sentence
                while not done.is_set():
                    for name in names:
                        await socket.send(name)
                    await asyncio.sleep(0.01)
            if not socket.client.connected:
                ended.append(cookie)


async def waits(server: Server, cookie: str, done: asyncio.Event) -> list[float]:
    """How long somebody else waits for the answer to an event, in seconds."""
    found = []
    async with knock(server, cookie=cookie, origin=server.url) as person:
        while not done.is_set() or not found:
            began = time.monotonic()
            await person.ask(HYDRATE, until='is_hydrated_rx_state_": true')
            found.append(time.monotonic() - began)
            await asyncio.sleep(0.5)
    return found


@pytest.mark.timeout(500)
async def test_a_flood_of_events_ends_its_sockets_and_neither_syncs_nor_people(
    tmp_path: Path,
) -> None:
    with servers_in(tmp_path) as start:
        server = start(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)
        script = Script(server, EMAIL, PASSWORD)
        ids = [
            await asyncio.to_thread(script.connect_by_consent, platform)
            for platform in ("meta_business", "google_ads")
        ]
        cookies = [await asyncio.to_thread(cookie_of, server, EMAIL) for _ in range(2)]
        # asked for beforehand: the flood asks for syncs too, up to the person's limit for an hour
        syncs = [await asyncio.to_thread(script.ask_for_sync, ident) for ident in ids]
        done, ended = asyncio.Event(), list[str]()
        floods = [
            asyncio.create_task(flood(server, cookies[0], done, ended)) for _ in range(FLOODS)
        ]
        person = asyncio.create_task(waits(server, cookies[1], done))
        try:
            runs = [
                await asyncio.to_thread(script.wait, ident, sync_id)
                for ident, sync_id in zip(ids, syncs, strict=True)
            ]
            async with asyncio.timeout(90):
                while len(ended) < FLOODS:
                    await asyncio.sleep(0.1)
        finally:
            done.set()
            await asyncio.gather(*floods)
        assert len(await person) > 3
        script.close()
        assert [r["status"] for r in runs] == ["succeeded", "succeeded"]
        span = Span.settled()
        assert stored_ads(server.home, span) == expected_ads(span)
