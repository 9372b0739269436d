"""One module per service: how it is prepared, launched, and known to be ready."""
