"""The demo: an invented town, a real export, and the story that is told with them."""
