"""The rows: each one measures one kind of work."""
