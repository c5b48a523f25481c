"""Fixtures for the tests of programs that use pack-db; see docs/how-to/testing.md."""
