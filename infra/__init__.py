"""The local stack, and what it is installed from."""
