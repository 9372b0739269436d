"""What the platform's work costs, measured beside a peer in the same run on the same bytes."""
