"""The panel on a real ensemble of three server processes, with real clients beside it."""
