"""One ASGI app that serves every imitated platform under `/{platform_id}/...` and the control API
under `/control/...`. It finds platforms by itself, applies wire faults, and never blocks the loop:
bodies are read here with a limit, handlers run in worker threads, waiting is done by the loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from liftos_app.services.sandbox import control, credentials
from liftos_app.services.sandbox.call import MAX_BODY, Call, html_answer, json_answer, text_answer
from liftos_app.services.sandbox.clock import Clock, SandboxClock
from liftos_app.services.sandbox.consent_page import login_page
from liftos_app.services.sandbox.plugin import SandboxPlatform, load_platforms
from liftos_app.services.sandbox.state import StateFile
from liftos_app.services.sandbox.tokens import Tokens
from liftos_app.services.sandbox.trouble import Fault, Trouble
from liftos_app.services.sandbox.world import Intervention, World

log = logging.getLogger(__name__)
_PLATFORM_FAULTS = (
    "token_expired",
    "token_revoked",
    "missing_scope",
    "rate_limited",
    "rate_limited_silent",
    "quota_exhausted",
    "server_error",
)
MAX_WAIT = 120.0  # seconds a slow answer may take


@dataclass(kw_only=True)
class Sandbox:
    """Everything the imitations share. One per process; `app.sandbox` of the ASGI app."""

    clock: SandboxClock
    world: World
    trouble: Trouble
    tokens: Tokens
    platforms: dict[str, SandboxPlatform]
    anchor: date
    interventions: list[Intervention] = field(default_factory=list)
    state: StateFile = field(default_factory=lambda: StateFile(None))
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)
    true_world: World | None = None  # without interventions

    def intervene(self, interventions: list[Intervention]) -> None:
        """Replace the interventions; the world answers with what they would have caused."""
        plain = self.true_world or self.world
        self.true_world = plain
        self.world = plain.with_interventions(interventions) if interventions else plain
        self.interventions = list(interventions)
        self.save()

    def save(self) -> None:
        """Write what must outlive a restart."""
        self.state.save(
            {
                "anchor": self.anchor.isoformat(),
                "offset": self.clock.offset.total_seconds(),
                "interventions": [control.intervention_json(i) for i in self.interventions],
                "faults": [
                    {k: v for k, v in f.items() if k != "planted"} for f in self.trouble.dump()
                ],
                "tokens": self.tokens.dump(),
            }
        )


class SandboxApp:
    """The ASGI app; `sandbox` is what tests and the control API reach into."""

    def __init__(self, sandbox: Sandbox, control_token: str) -> None:
        self.sandbox = sandbox
        self._token = hashlib.sha256(control_token.encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        root = str(scope.get("root_path", ""))
        path = str(scope["path"])
        inner = path[len(root) :] if root and path.startswith(root) else path
        platform_id, _, rest = inner.lstrip("/").partition("/")
        headers = Headers(scope=scope)
        body = await _read(receive)
        if body is None:
            await json_answer({"error": "body_too_large"}, 413)(scope, receive, send)
            return
        if platform_id == "control":
            answer = await run_in_threadpool(
                self._control, str(scope["method"]), "/" + rest, headers, body
            )
            await answer(scope, receive, send)
            return
        platform = self.sandbox.platforms.get(platform_id)
        if platform is None:
            await json_answer({"error": "no_such_platform"}, 404)(scope, receive, send)
            return
        base = f"{scope['scheme']}://{headers.get('host', 'localhost')}{root}/{platform_id}"
        call = self._call(platform, scope, base, "/" + rest, body)
        answer, after = await self._serve(platform, call)
        if after is not None:
            await _cut(answer, send)
        else:
            await answer(scope, receive, send)

    def _call(
        self,
        platform: SandboxPlatform,
        scope: Scope,
        base: str,
        path: str,
        body: bytes,
    ) -> Call:
        box = self.sandbox
        return Call(
            platform=platform.id,
            method=str(scope["method"]),
            path=path,
            params={},
            query_string=scope.get("query_string", b"").decode("latin-1"),
            headers=Headers(scope=scope),
            body=body,
            base=base,
            now=box.clock(),
            world=box.world,
            trouble=box.trouble,
            tokens=box.tokens,
            demo=credentials.DEMO.get(platform.id, {}),
            memory=box.memories.setdefault(platform.id, {}),
        )

    async def _serve(self, platform: SandboxPlatform, call: Call) -> tuple[Response, Fault | None]:
        """The answer, and the fault that breaks its connection if there is one."""
        box = self.sandbox
        handler, params = platform.find(call.method, call.path)
        call = replace(call, params=params)
        target = await run_in_threadpool(platform.classify, call)
        call = replace(call, target=target)
        aim = {"account": target.account, "stream": target.stream}
        if target.kind == "consent":
            return await run_in_threadpool(handler, call), None
        slow = box.trouble.take(("slow",), platform.id, **aim)
        if slow is not None:
            await asyncio.sleep(min(slow.seconds, MAX_WAIT))
        if target.kind == "api":
            fault = box.trouble.take(_PLATFORM_FAULTS, platform.id, **aim)
            if fault is not None:
                return await run_in_threadpool(platform.fault, call, fault), None
            odd = box.trouble.take(("login_page", "not_json"), platform.id, **aim)
            if odd is not None:
                if odd.kind == "login_page":
                    return html_answer(login_page(platform.name)), None
                return text_answer("upstream connect error", content_type="application/json"), None
        answer = await run_in_threadpool(handler, call)
        if platform.wrap is not None:
            answer = platform.wrap(call, answer)
        cut = box.trouble.take(("cut",), platform.id, **aim) if target.kind != "token" else None
        return answer, cut

    def _control(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode()).digest()
        if scheme.lower() != "bearer" or not hmac.compare_digest(digest, self._token):
            return json_answer(
                {"error": "unauthorized"}, 401, headers={"www-authenticate": "Bearer"}
            )
        return control.answer(self.sandbox, method, path, body)


def create_app(
    *,
    clock: Clock,
    control_token: str,
    world: World | None = None,
    trouble: Trouble | None = None,
    state_path: Path | None = None,
    seed: int = 7,
    plant: bool = True,
) -> SandboxApp:
    """The sandbox. `clock` gives aware UTC; `control_token` opens the control API and signs tokens.

    `state_path` keeps anchor, faults, revocations and interventions over a restart. `plant` False
    leaves the demo's planted trouble out; it is not used when `trouble` is given.
    """
    state = StateFile(state_path)
    saved = _usable(state.load())
    moving = SandboxClock(clock, timedelta(seconds=float(saved.get("offset", 0))))
    anchor = _day(saved.get("anchor")) or (trouble.anchor if trouble else None) or moving().date()
    if trouble is None:
        trouble = Trouble(
            [Fault(**f) for f in saved.get("faults", ())], anchor=anchor if plant else None
        )
    tokens = Tokens(control_token)
    for platform_id, inputs in _statics():
        tokens.register(platform_id, inputs)
    tokens.load(saved.get("tokens", {}))
    box = Sandbox(
        clock=moving,
        world=world or World(seed=seed, today=moving().date()),
        trouble=trouble,
        tokens=tokens,
        platforms=load_platforms(),
        anchor=anchor,
        state=state,
    )
    stored = [control.read_intervention(i) for i in saved.get("interventions", ())]
    if stored:
        box.intervene(stored)
    trouble.on_change(box.save)
    tokens.on_change(box.save)
    if not saved:
        box.save()
    log.info("sandbox.ready", extra={"platforms": sorted(box.platforms)})
    return SandboxApp(box, control_token)


def _statics() -> list[tuple[str, str]]:
    """Every pasted token and key the sandbox takes."""
    found = []
    for platform_id, methods in credentials.DEMO.items():
        for inputs in methods.values():
            found += [
                (platform_id, v) for k, v in inputs.items() if k in {"access_token", "api_key"}
            ]
        found += [(platform_id, v) for v in credentials.SPARE.get(platform_id, {}).values()]
    return found


def _usable(saved: dict[str, Any]) -> dict[str, Any]:
    """What was saved, or nothing when another version wrote it or a hand spoiled it."""
    try:
        float(saved.get("offset", 0))
        _day(saved.get("anchor"))
        for fault in saved.get("faults", ()):
            Fault(**fault)
        for one in saved.get("interventions", ()):
            World(interventions=(control.read_intervention(one),))
        Tokens("").load(saved.get("tokens", {}))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        log.warning("sandbox.state_unreadable", extra={"error": type(error).__name__})
        return {}
    return saved


def _day(text: object) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) else None


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None when it is larger than allowed."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _cut(answer: Response, send: Send) -> None:
    """Promise the whole body, send a part of it, and let the connection drop."""
    body = bytes(answer.body)
    await send(
        {"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers}
    )
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await asyncio.sleep(0.05)  # let the part leave before the connection ends


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
