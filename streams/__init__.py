"""Long-running programs: publish, watch, announce."""
