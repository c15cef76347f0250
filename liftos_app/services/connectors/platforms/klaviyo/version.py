"""The one place that names the revision of Klaviyo's interface, and the headers it needs."""

REVISION = "2026-07-15"
HEADERS = {
    "revision": REVISION,
    "Accept": "application/vnd.api+json",
    # Without this a retired revision is silently answered by another one.
    "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
}
