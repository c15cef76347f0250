"""What describes the company: itself, its modules, their fields, its users."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.zoho_crm import api
from liftos_app.services.sandbox.platforms.zoho_crm.modules import MODULES, TRUE_ZONE, ident
from liftos_app.services.sandbox.platforms.zoho_crm.refusals import bad_data

_JSON: Final = {
    "boolean": "boolean", "integer": "integer", "double": "double", "currency": "double",
    "lookup": "jsonobject", "ownerlookup": "jsonobject",
}  # fmt: skip


def org(_call: Call) -> Response:
    """GET /org."""
    return json_answer({"org": [{
        "id": api.COMPANY, "zgid": api.COMPANY, "company_name": "Larkspur Home Trade",
        "currency": "US Dollar", "iso_code": "USD", "currency_symbol": "$",
        "time_zone": TRUE_ZONE, "country_code": "DE", "type": "Production", "mc_status": True,
        "primary_email": "robin@larkspur-home.example", "domain_name": f"org{api.COMPANY}",
        "license_details": {
            "paid": True, "paid_type": "enterprise", "users_license_purchased": 12,
        },
    }]})  # fmt: skip


def modules(call: Call) -> Response:
    """GET /settings/modules."""
    off = call.memory.get("off") or ()
    return json_answer({"modules": [
        {
            "api_name": name, "module_name": name, "plural_label": name, "api_supported": True,
            "visible": True, "viewable": True, "generated_type": "default",
            "id": ident("users", 700 + number),
        }
        for number, name in enumerate(MODULES) if name not in off
    ]})  # fmt: skip


def fields(call: Call) -> Response:
    """GET /settings/fields?module=."""
    module = api.module_of(call, call.query.get("module", ""))
    hidden = api.hidden_in(call, module)
    return json_answer({"fields": [
        _field(call, name, kind) for name, kind in module.fields.items() if name not in hidden
    ]})  # fmt: skip


def users(call: Call) -> Response:
    """GET /users?type=: all, those who are active, or the one who signed in."""
    kind = call.query.get("type", "AllUsers")
    if kind not in {"AllUsers", "ActiveUsers", "CurrentUser"}:
        raise bad_data("type")
    found = [
        {
            "id": ident("users", o.id), "full_name": f"{o.first_name} {o.last_name}",
            "first_name": o.first_name, "last_name": o.last_name, "email": o.email,
            "status": "active" if o.active else "disabled",
            "role": {"name": o.team, "id": ident("users", 900)},
        }
        for o in call.world.crm_owners(as_of=call.now) if o.active or kind == "AllUsers"
    ]  # fmt: skip
    found = found[:1] if kind == "CurrentUser" else found
    size, page = api.per_page(call), api.whole(call, "page", 1)
    part, more = found[(page - 1) * size : page * size], len(found) > page * size
    if not part:
        return Response(b"", 204)
    info = {"per_page": size, "count": len(part), "page": page, "more_records": more}
    return json_answer({"users": part, "info": info})


def _field(call: Call, name: str, kind: str) -> dict[str, Any]:
    stages = call.world.crm_pipeline().stages if name == "Stage" else ()
    return {
        "api_name": name, "field_label": name.replace("_", " "), "data_type": kind,
        "json_type": _JSON.get(kind, "string"), "length": 255,
        "decimal_place": 2 if kind == "currency" else None, "visible": True,
        "pick_list_values": [
            {
                "display_value": s.name, "actual_value": s.name, "probability": s.probability,
                "forecast_type": "Closed Won" if s.won else "Closed Lost" if s.closed else "Open",
                "sequence_number": s.order + 1,
            }
            for s in stages
        ],
    }  # fmt: skip
