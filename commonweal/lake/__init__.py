"""The lakehouse: names, catalog, and the one commit function."""
