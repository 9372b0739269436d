"""The parts of publishing: reading an export, checking its rows, sending what passed, remembering what was sent."""
