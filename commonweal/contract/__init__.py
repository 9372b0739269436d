"""Data contracts: the values, the strict loader, the lint rules."""
