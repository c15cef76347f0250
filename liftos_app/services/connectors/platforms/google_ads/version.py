"""The one place that names the version of Google's interface."""

VERSION = "v26"
