"""Principals and keys: who calls, and how that is proven."""
