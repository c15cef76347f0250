"""The one place that names the version of Shopify's interface."""

VERSION = "2026-10"
