"""Programs that do the same work another way, each with its best documented settings."""
