"""Which shop a call is about: the name in the path, else the sandbox's one shop."""

from __future__ import annotations

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer


def default_shop(call: Call) -> str:
    """The domain of the sandbox's shop."""
    for inputs in call.demo.values():
        if inputs.get("shop"):
            return inputs["shop"]
    return "larkspur-home.myshopify.com"


def shop_of(call: Call) -> str | None:
    """The domain of the shop in the path; None when there is no such shop."""
    named, ours = call.params.get("shop", ""), default_shop(call)
    return ours if named.lower() in {"", ours, ours.removesuffix(".myshopify.com")} else None


def wrong_shop() -> Response:
    """What a host without a shop answers."""
    return json_answer({"errors": "Not Found"}, 404)
