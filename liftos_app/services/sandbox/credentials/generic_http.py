"""What the imitated legacy system takes. Invented; it opens nothing else."""

from typing import Any, Final

_BASE: Final = {"base_url": "https://erp.larkspur-home.example"}
DEMO: Final = {
    "basic": {**_BASE, "username": "lecture-réseau", "password": "tröcken:Wald 19"},
    "bearer": {**_BASE, "access_token": "erp-read-6c2f90ab41d7483e"},
    "header": {
        **_BASE, "header_name": "X-Api-Key", "api_key": "erp-key-0b7d5a1c9e3f42688f10",
    },
    "none": {"base_url": "https://erp.larkspur-home.example/public"},
}
SPARE: Final = {"access_token": "erp-read-7d3a81bc52e8594f"}

# Streams on what it exports: an agency's daily report, and the ERP's own list of deals.
STREAMS: Final[list[dict[str, Any]]] = [
    {
        "name": "agency_report", "title": "Agency report", "lands": "facts", "mode": "days",
        "reread_days": 7, "time_zone": "America/New_York", "currencies": ["USD"],
        "fields": {
            "day": {"column": "date"}, "campaign_id": {"column": "campaign_id"},
            "campaign_name": {"column": "campaign_name"}, "spend": {"column": "figures_cost"},
            "impressions": {"column": "figures_impressions"},
            "clicks": {"column": "figures_clicks"},
            "conversions": {"column": "figures_conversions"},
            "value": {"column": "figures_value"},
        },
        "source": {
            "path": "/reports/daily.json",
            "query": "from={{ window_start }}&to={{ window_end }}", "records_path": "data.items",
            "paging": "page", "page_param": "page", "size_param": "per_page", "page_size": "100",
            "total_path": "total",
        },
    },
    {
        "name": "deals", "title": "Deals of the ERP", "lands": "crm", "kind": "deal",
        "mode": "days", "time_zone": "America/New_York", "currencies": ["USD"],
        "cursor": "changed", "overlap_seconds": 3600,
        "fields": {
            "external_id": {"column": "no"}, "created_at": {"column": "created"},
            "updated_at": {"column": "changed"}, "stage": {"column": "stage"},
            "amount": {"column": "amount"}, "currency": {"column": "currency"},
            "is_won": {"column": "won"},
        },
        "source": {
            "path": "/deals", "query": "since={{ cursor }}", "param_format": "iso_z",
            "paging": "link_header", "size_param": "limit", "page_size": "200",
        },
    },
]
