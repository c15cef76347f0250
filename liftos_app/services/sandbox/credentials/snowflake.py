"""What the imitated Snowflake takes. Invented; it opens nothing else."""

from typing import Any, Final

_KEY: Final = (  # encrypted with the passphrase below
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIIFNTBfBgkqhkiG9w0BBQ0wUjAxBgkqhkiG9w0BBQwwJAQQqwGz/07Ma2UFbZWu\n"
    "2saJXAICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPEJh13d+PVZvG/S\n"
    "KS0UVLEEggTQY+ZZ3mvB8zb4VQi6ogouvx9yQxwdmoFkXVd5lm5JBnATd9cMj4jq\n"
    "DESI5PRyXGwi4pkYUlKMvP6lXxlNg6PQJfTUFsbjVI9GkpA/ixEXrFOom3gfuliM\n"
    "Un2+lLHPCDbyLKeKEiWqcr0eBu6noBtCxk++WO7gWw6ZJFYcb/HbkQxwDPh7I01h\n"
    "ODtieiBLVjlx4ZUkTrm56ugxwUJWMnsFAlrzKr6Ub3NgoGV8L4YeYw8T79vNMmGu\n"
    "XRmGY9hs8PLhVsIqxfsT/iNk+1VEwB98D4l+f4vkql+cJQ7eLJgfAnHSyB8WH38w\n"
    "h9Pj6mAdWhi47WpO9s3wYpQcsAgJNS/SbJweOKqBrtsdMTSXlcapEXCdUQ5cyFyj\n"
    "dt8oM/VxOYiL+T3ysFd1DYjJrCbfTiNkMkAJAB61Oo7/tXraTGqVf9swvq6aESJu\n"
    "JqEVSqUseRdJ8XZ36SNIOVWeqJlQuwi4lm+2x1cCIoP341/PG7dNNiYiWNT/j6w3\n"
    "5Jj1wmpk+W3bgH5Af6LM6jPdlvrFe68tGfko6kuATGOU2Rc3nNJWxsSp3Gpd5ang\n"
    "findrwCSvwBlJWq6HrWTXa0YIDJaepwyplnd6m3OgoPeTHMw4i7pH1S59GjCDA8u\n"
    "wznsSo8MGFhoe+bxQY1XRa94cH8Z3CSsPi2GdxOx0s+EY93K1Rswocu1XYmGlRZT\n"
    "cmAQ4uRycYap8ydjnrIsdgnnM8upj/4S760j1YVrzoq7wtykE5co4YUihkZRc6EN\n"
    "XHw+/VkLmIwPS2ese8xURTjVXt8djg4ce5ubp6vV0An1DKh6xdO1wDd4oLmfmplF\n"
    "I1+nsDogEln48x7UBDeFhW2yq7ACDB0LccbwxrOa5XubJEKovm5xav2V3zyI1bbC\n"
    "gzMJTYVF9Yd+YUnrdu8UGv0vyuv9z5/hg2ThUQRT4vntxiB+lvWAz/kKNzppie/M\n"
    "qTdHaC4gk4FltST4acKkyC9PL9T+nHjR56uhvlz0VA4u1SE5rf3saJ8Jk3CdLhgf\n"
    "MqPesqQbOmyof+RnhEMoIcEfZ1lRoeLlx9sFiTKJD8ZyM50pqMYH0o0cV6mRH7AR\n"
    "CS/efp0SK8BEbZkok28G5pfnm4dvpc5tigUfs5XUp9vlrzeksRL0getckYwZLO4D\n"
    "P1K5/EHM7K2mosWb2cFv7W00pQmFBI1FnUFZB0pGYTS6M4xsDl0Nw9Hdoc6cfxrV\n"
    "da0PFgZZIrLxmo0ZzNIT2RrWjFbEB0/asvWROVaPK3cuGnnlQB9OQFxHNOpGqocx\n"
    "ui6b6mak+I1dD/qUrfbBeHLbc+tgg6Ss60mHpaKMHATK3xEoTXx7o2VPEXzCJRG9\n"
    "Zk5DUfTDP6sXsYqt05+DwIR3U0ilZCof7aXwqQjuZW4osuUrTQbT81U11zLlnbI4\n"
    "UdsaalVfctoeU1DIhfZaX0tLejwCT5pA0uqIXqnfaVm9GmsbCiRCSaIraoBaFrkV\n"
    "QuJFpPN0YujYJsUyzHBU/Vas/cX/hSIFnfUS4N4RXOBd0c0klrCiSMTga7IEj1aC\n"  # codespell:ignore
    "JW0nvcaU3mcGtcclbOCugVM/dS7vjCUhdYIm5sYezuhVzRA1Tt04Po+SKpf8u9r6\n"
    "Ej2GZT1Jl4nqbGHPqENjeJ1FKO7dp9igCiJ2NP9OLrQCY4QDhWBnaGs=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n"
)
_PLACE: Final = {"account": "larkspur-prod", "warehouse": "LIFTOS_WH"}

DEMO: Final = {
    "key_pair": {
        **_PLACE, "user": "LIFTOS_SVC", "private_key": _KEY, "passphrase": "birch-lantern-42",
        "role": "LIFTOS_READER",
    },
    "token": {
        **_PLACE, "role": "LIFTOS_READER",
        "access_token": "eyJraWQiOiIxOTg0IiwiYWxnIjoiRVMyNTYifQ.bGlmdG9zLXNhbmRib3g.k7Qm2Xv9Rt4W",
    },
    "oauth": {
        **_PLACE, "client_id": "Xw3Jq8LkPz7+Tn2RvB5mYc1D0hE=",
        "client_secret": "pV6sG1uK9dHq3ZtW8xN4rA7fLb2JcM5eQy0T+oIiUaE=",
    },
}
SPARE: Final = {
    "access_token": "eyJraWQiOiIxOTg1IiwiYWxnIjoiRVMyNTYifQ.bGlmdG9zLXNwYXJl.m3Np8Yc6Lw1Z",
}
LOOK_AROUND: Final = ("media_invoices",)  # what no other imitation brings as well
STREAMS: Final[list[dict[str, Any]]] = [
    {
        "name": "marketing_daily", "title": "Marketing, daily", "lands": "facts",
        "object": '"LARKSPUR"."MARKETING"."MARKETING_DAILY"', "currencies": ["USD", "EUR"],
        "time_zone": "America/New_York",
        "fields": {
            "day": "REPORT_DATE", "channel": "CHANNEL", "campaign_id": "CAMPAIGN_ID",
            "campaign_name": "CAMPAIGN_NAME", "currency": "CURRENCY", "spend": "SPEND",
            "impressions": "IMPRESSIONS", "clicks": "CLICKS", "conversions": "CONVERSIONS",
            "value": "CONVERSION_VALUE",
        },
    },
    {
        "name": "shop_orders", "title": "Orders", "lands": "orders", "cursor": "UPDATED_AT",
        "object": '"LARKSPUR"."SALES"."ORDERS"', "currencies": ["USD"],
        "time_zone": "America/New_York",
        "fields": {
            "external_id": "ORDER_ID", "name": "ORDER_NUMBER", "processed_at": "ORDERED_AT",
            "updated_at": "UPDATED_AT", "cancelled_at": "CANCELLED_AT", "gross": "TOTAL",
            "subtotal": "SUBTOTAL", "discount": "DISCOUNTS", "shipping": "SHIPPING", "tax": "TAX",
            "refunded": "REFUNDED", "items": "ITEMS", "currency": "CURRENCY",
            "financial_status": "STATUS", "is_test": "IS_TEST", "customer": "CUSTOMER_ID",
            "customer_order_index": "SEQUENCE",
        },
    },
    {
        "name": "media_invoices", "title": "Media invoices", "lands": "payments",
        "kind": "invoice", "object": '"LARKSPUR"."FINANCE"."MEDIA_INVOICES"',
        "currencies": ["USD"], "time_zone": "America/New_York", "reread_days": 31,
        "fields": {
            "external_id": "INVOICE_ID", "occurred_at": "ISSUED_AT", "amount": "AMOUNT",
            "currency": "CURRENCY", "category": "CHANNEL", "status": "STATUS",
        },
    },
]
