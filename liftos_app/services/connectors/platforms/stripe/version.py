"""The one place that names the version of Stripe's interface."""

VERSION = "2026-10-28.endive"
