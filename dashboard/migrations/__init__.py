"""Migrations of the audit list."""
