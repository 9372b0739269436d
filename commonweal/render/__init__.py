"""One pure renderer per target: from a contract to what is derived from it. No renderer does I/O."""
