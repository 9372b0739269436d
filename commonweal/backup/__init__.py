"""Backup and restore: PostgreSQL, keys and secrets, the lake's objects, the topics' positions, encrypted, while all is running.

PostgreSQL is the truth, so one snapshot of it says what belongs to a backup: its dump, and every object that its catalog reaches.
Objects never change, so they may be copied after the snapshot; what deletes them waits meanwhile (``lake/keeping.py``). All that
leaves is encrypted to an age recipient (https://age-encryption.org/v1): only a restore takes the private key.
"""
