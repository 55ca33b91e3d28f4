"""The device's end of the serial link, bytes to table requests; ``docs/link.md`` has the format."""

from .link import Link

__all__ = ["Link"]
