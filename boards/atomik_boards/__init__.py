"""Bitstreams for boards: their tops, the build, the timing gate."""
