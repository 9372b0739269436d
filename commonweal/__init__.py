"""Commonweal: an event-driven data platform on which government departments share data about public services."""

__version__ = "0.1.0"
