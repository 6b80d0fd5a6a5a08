"""Tests of `sh.compare`."""
