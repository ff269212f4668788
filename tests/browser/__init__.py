"""Tests of what the browser does with the panel's pages: drawn places, keys, pause, themes, phones."""
