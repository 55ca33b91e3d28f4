"""The report of a build: one page that holds all that is known of it."""

from .data import Facts, Hop, TimingPath, Use, collect
from .page import render
from .placement import Placement, read_placement

__all__ = ["Facts", "Hop", "Placement", "TimingPath", "Use", "collect", "read_placement", "render"]
