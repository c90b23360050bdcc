"""Judges of what is sent and what is answered, one for each dialect, and none of them written here: see judge.py."""
