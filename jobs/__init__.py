"""The transforms of shared datasets: one module a dataset, one function a module."""
