"""Clients of other languages, unmodified: each lives the same short life, and must tell the same story."""
