"""Signing in, and what twenty sign-ins at once do to the events of somebody else: a real server,
raw socket.io.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
import uuid
from typing import Any

import httpx
import socketio
from sqlmodel import select

from benchmarks.page import EMAIL, PASSWORD, Running
from liftos_app import config
from liftos_app.models import Membership, Organization, Role, User
from liftos_app.services import boot, passwords

EVENT = "reflex___state____state.hydrate"
TIMES, CROWD, SIGN_INS = 200, 20, 10


def main() -> None:
    """Print the table for docs/benchmarks.md."""
    print("\n## Sign-ins and events\n\n| What | Measured | Aim |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="liftos-bench-") as home:
        server = Running(home)
        server.env |= {"REQUIRE_MFA": "nobody", "TRUSTED_PROXY_HOPS": "1"}
        _people(home)
        server.start()
        try:
            asyncio.run(_measure(server.url))
        finally:
            server.stop()


def _people(home: str) -> None:
    """A crowd of accounts: one account, or one address, may not try so often at once."""
    app = boot.build_app(config.load({"LIFTOS_HOME": home, "LOG_LEVEL": "ERROR",
                                      "LIFTOS_ADMIN_EMAIL": EMAIL,
                                      "LIFTOS_ADMIN_PASSWORD": PASSWORD}))
    hashed, now = passwords.make_hash(PASSWORD), app.now()
    with app.db.write() as session:
        org = session.exec(select(Organization)).one()
        for number in range(CROWD):
            email = _email(number)
            user = User(email=email, email_key=email, name=email, password_hash=hashed,
                        created_at=now)
            session.add(user)
            session.flush()
            session.add(Membership(org_id=org.id or 0, user_id=user.id, role=Role.VIEWER,
                                   created_at=now))
    app.db.close()


def _email(number: int) -> str:
    return f"person{number}@larkspur.example"


async def _measure(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        took, cookie = [], ""
        for _ in range(SIGN_INS):
            began = time.perf_counter()
            cookie = await _sign_in(client, url, 0)
            took.append((time.perf_counter() - began) * 1000)
        print(f"| a sign-in over HTTP, median of {SIGN_INS} | {statistics.median(took):.0f} ms "
              "| 350 ms |")
        async with Asker(url, cookie) as asker:
            quiet = await asker.times(TIMES)
            busy, crowd = await asyncio.gather(
                asker.times(TIMES),
                asyncio.gather(*(_sign_in(client, url, n) for n in range(CROWD))),
            )
        ratio = _p95(busy) / _p95(quiet)
        print(f"| an event answered, quiet, p95 of {TIMES} | {_p95(quiet):.1f} ms | |")
        print(f"| the same beside {len(crowd)} sign-ins at once | {_p95(busy):.1f} ms, "
              f"{ratio:.2f} times | 2 times |")


async def _sign_in(client: httpx.AsyncClient, url: str, number: int) -> str:
    answer = await client.post(
        "/auth/login", data={"email": _email(number), "password": PASSWORD},
        headers={"origin": url, "x-forwarded-for": f"198.51.100.{number + 1}"},
    )
    if answer.status_code != 303 or "liftos_sid" not in answer.headers.get("set-cookie", ""):
        raise RuntimeError(f"the sign-in was refused: {answer.status_code}")
    client.cookies.clear()
    return answer.headers["set-cookie"].partition(";")[0]


class Asker:
    """A tab that asks for its state and waits for the answer, again and again."""

    def __init__(self, url: str, cookie: str) -> None:
        self.url, self.cookie, self.token = url, cookie, str(uuid.uuid4())
        self.client = socketio.AsyncClient(reconnection=False)
        self.answered: asyncio.Queue[Any] = asyncio.Queue()
        self.client.on("event", self._hear, namespace="/_event")

    async def _hear(self, update: Any) -> None:
        await self.answered.put(update)

    async def __aenter__(self) -> Asker:
        await self.client.connect(
            f"{self.url}?token={self.token}", socketio_path="/_event/", transports=["websocket"],
            namespaces=["/_event"],
            headers={"Cookie": self.cookie, "Origin": self.url},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.disconnect()

    async def times(self, many: int) -> list[float]:
        """Milliseconds from an event to its answer; paced below the limit of 30 a second."""
        found = []
        for _ in range(many):
            began = time.perf_counter()
            await self.client.emit("event", {
                "name": EVENT, "payload": {},
                "router_data": {"pathname": "/", "asPath": "/", "query": {}},
            }, namespace="/_event")
            update = await asyncio.wait_for(self.answered.get(), 30)
            found.append((time.perf_counter() - began) * 1000)
            while not _is_final(update):
                update = await asyncio.wait_for(self.answered.get(), 30)
            await asyncio.sleep(0.02)
        return found


def _is_final(update: Any) -> bool:
    body = json.loads(update) if isinstance(update, str) else update
    return not isinstance(body, dict) or bool(body.get("final", True))


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    main()
