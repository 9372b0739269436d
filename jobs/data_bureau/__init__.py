"""Transforms of the datasets that the data bureau owns."""
