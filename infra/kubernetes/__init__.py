"""Manifests for a cluster, and what checks them without one."""
