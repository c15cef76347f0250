"""The control API of the sandbox: `/sandbox/control/...`, opened with the control token only.

GET state | planted | kinds | credentials | faults; POST faults {kind, platform, ...};
DELETE faults[/{id}]; POST expire | revoke | restore {platform};
POST clock {offset_seconds}; POST limits {platform, enforce};
POST interventions {interventions: [...]}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from liftos_app.services.sandbox import credentials
from liftos_app.services.sandbox.call import json_answer
from liftos_app.services.sandbox.trouble import KINDS, Fault, planted
from liftos_app.services.sandbox.world import Intervention

if TYPE_CHECKING:
    from liftos_app.services.sandbox.server import Sandbox

_AIM = {f.name for f in fields(Fault)} - {"id", "kind", "platform", "planted"}
_FARTHEST = 3_653 * 86_400  # the clock moves at most ten years


def answer(box: Sandbox, method: str, path: str, body: bytes) -> Response:
    """One authenticated call. A bad body is a 422 with one sentence."""
    name, _, rest = path.strip("/").partition("/")
    actions: Mapping[tuple[str, str], Callable[[Sandbox, str, Any], Any]] = {
        ("GET", "state"): _state,
        ("GET", "planted"): _planted,
        ("GET", "kinds"): _kinds,
        ("GET", "credentials"): _credentials,
        ("GET", "faults"): _faults,
        ("POST", "faults"): _add,
        ("DELETE", "faults"): _clear,
        ("POST", "expire"): _kill,
        ("POST", "revoke"): _kill,
        ("POST", "restore"): _kill,
        ("POST", "clock"): _clock,
        ("POST", "interventions"): _intervene,
        ("POST", "limits"): _limits,
    }
    action = actions.get((method, name))
    if action is None:
        known = any(key[1] == name for key in actions)
        return json_answer(
            {"error": "method_not_allowed" if known else "not_found"}, 405 if known else 404
        )
    try:
        data = orjson.loads(body or b"{}")
        return json_answer(action(box, rest, {**data, "act": name}))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        return json_answer({"error": "invalid", "detail": str(error)[:300]}, 422)


def read_intervention(data: Mapping[str, Any]) -> Intervention:
    """From JSON. Raises ValueError, KeyError."""
    return Intervention(
        channel=str(data["channel"]),
        start=date.fromisoformat(data["start"]),
        end=date.fromisoformat(data["end"]),
        scale=float(data.get("scale", 0.0)),
        regions=tuple(str(r) for r in data.get("regions", ())),
    )


def intervention_json(one: Intervention) -> dict[str, Any]:
    """To JSON."""
    return {
        "channel": one.channel,
        "start": one.start.isoformat(),
        "end": one.end.isoformat(),
        "scale": one.scale,
        "regions": list(one.regions),
    }


def _state(box: Sandbox, _rest: str, _data: Any) -> Any:
    return {
        "now": box.clock().isoformat(),
        "offset_seconds": box.clock.offset.total_seconds(),
        "anchor": box.anchor.isoformat(),
        "platforms": sorted(box.platforms),
        "faults": [asdict(f) for f in box.trouble.list_all()],
        "interventions": [intervention_json(i) for i in box.interventions],
    }


def _planted(box: Sandbox, _rest: str, _data: Any) -> Any:
    return [asdict(p) for p in planted(box.anchor)]


def _kinds(_box: Sandbox, _rest: str, _data: Any) -> Any:
    return dict(KINDS)


def _credentials(_box: Sandbox, _rest: str, _data: Any) -> Any:
    return {"demo": credentials.DEMO, "spare": credentials.SPARE}


def _faults(box: Sandbox, _rest: str, _data: Any) -> Any:
    return [asdict(f) for f in box.trouble.list_all()]


def _add(box: Sandbox, _rest: str, data: Any) -> Any:
    unknown = set(data) - _AIM - {"kind", "platform", "act"}
    if unknown:
        raise ValueError(f"There is no setting called {sorted(unknown)[0]}.")
    platform = str(data.get("platform", "*"))
    if platform != "*" and platform not in box.platforms:
        raise ValueError(f"There is no platform called {platform[:40]}.")
    aim = {name: data[name] for name in _AIM & set(data)}
    count = aim.get("count", 1)
    if count is not None and (not isinstance(count, int) or not 1 <= count <= 10_000):
        raise ValueError("count must be 1 to 10000, or null for until cleared.")
    if not isinstance(aim.get("detail", {}), dict):
        raise TypeError("detail must be an object of texts.")
    return asdict(box.trouble.add(str(data["kind"]), platform, **aim))


def _clear(box: Sandbox, rest: str, data: Any) -> Any:
    gone = box.trouble.clear(
        rest,
        platform=str(data.get("platform", "")),
        planted_too=data.get("planted_too") is True,
    )
    return {"cleared": gone}


def _kill(box: Sandbox, _rest: str, data: Any) -> Any:
    platform = str(data["platform"])
    if platform not in box.platforms:
        raise ValueError(f"There is no platform called {platform[:40]}.")
    {
        "expire": box.tokens.expire_all,
        "revoke": box.tokens.revoke_all,
        "restore": box.tokens.restore,
    }[data["act"]](platform)
    return {"platform": platform, "done": data["act"]}


def _clock(box: Sandbox, _rest: str, data: Any) -> Any:
    seconds = float(data["offset_seconds"])
    if not abs(seconds) <= _FARTHEST:
        raise ValueError("The clock moves at most ten years.")
    box.clock.offset = timedelta(seconds=seconds)
    box.save()
    return {"now": box.clock().isoformat()}


def _limits(box: Sandbox, _rest: str, data: Any) -> Any:
    """Whether a platform's rate limits refuse (enforce true) or are only counted."""
    platform, enforce = str(data["platform"]), data["enforce"]
    if platform not in box.platforms or not isinstance(enforce, bool):
        raise ValueError("limits needs a platform and enforce true or false.")
    box.memories.setdefault(platform, {})["enforce_limits"] = enforce
    return {"platform": platform, "enforce": enforce}


def _intervene(box: Sandbox, _rest: str, data: Any) -> Any:
    box.intervene([read_intervention(i) for i in data["interventions"]])
    return {"interventions": [intervention_json(i) for i in box.interventions]}
