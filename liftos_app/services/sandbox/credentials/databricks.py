"""What the imitated Databricks takes. Invented; it opens nothing else."""

from typing import Any, Final

_PLACE: Final = {
    "workspace": "dbc-1a2b3c4d-5e6f.cloud.databricks.com",
    "warehouse_id": "0a1b2c3d4e5f6071",
}

DEMO: Final = {
    "service_principal": {
        **_PLACE, "client_id": "6f1d2c3b-8a47-4e59-b0d1-7c2e9f4a5b60",
        "client_secret": "dose4b7e1c90d2a35f68e1b04c7d9a2f6e83",
    },
    "oauth": {
        **_PLACE, "client_id": "2c9e7d41-05b8-4f6a-9d13-e8a7b4c2f051",
        "client_secret": "dose91c4e7b2a60d3f58b7e19c02d4a6f8e5",
    },
    "token": {**_PLACE, "access_token": "dapi3f9a1c7e5b2d8046f1e3a9c7b5d2e804"},
}
SPARE: Final = {"access_token": "dapi8c2e4a6f0b1d3579e8f6a4c2b0d1e357"}
LOOK_AROUND: Final = ("media_invoices",)  # what no other imitation brings as well
STREAMS: Final[list[dict[str, Any]]] = [
    {
        "name": "marketing_daily", "title": "Marketing, daily", "lands": "facts",
        "object": "`larkspur`.`marketing`.`marketing_daily`", "currencies": ["USD", "EUR"],
        "time_zone": "America/New_York",
        "fields": {
            "day": "report_date", "channel": "channel", "campaign_id": "campaign_id",
            "campaign_name": "campaign_name", "currency": "currency", "spend": "spend",
            "impressions": "impressions", "clicks": "clicks", "conversions": "conversions",
            "value": "conversion_value",
        },
    },
    {
        "name": "shop_orders", "title": "Orders", "lands": "orders", "cursor": "updated_at",
        "object": "`larkspur`.`sales`.`orders`", "currencies": ["USD"],
        "time_zone": "America/New_York",
        "fields": {
            "external_id": "order_id", "name": "order_number", "processed_at": "ordered_at",
            "updated_at": "updated_at", "cancelled_at": "cancelled_at", "gross": "total",
            "subtotal": "subtotal", "discount": "discounts", "shipping": "shipping", "tax": "tax",
            "refunded": "refunded", "items": "items", "currency": "currency",
            "financial_status": "status", "is_test": "is_test", "customer": "customer_id",
            "customer_order_index": "sequence",
        },
    },
    {
        "name": "media_invoices", "title": "Media invoices", "lands": "payments",
        "kind": "invoice", "object": "`larkspur`.`finance`.`media_invoices`",
        "currencies": ["USD"], "time_zone": "America/New_York", "reread_days": 31,
        "fields": {
            "external_id": "invoice_id", "occurred_at": "issued_at", "amount": "amount",
            "currency": "currency", "category": "channel", "status": "status",
        },
    },
]
