"""The one place that names the version of Meta's interface."""

VERSION = "v26.0"
