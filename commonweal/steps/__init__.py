"""The steps of a run: land, clean, join, gate, release. Each is a function of a contract and its ports."""
