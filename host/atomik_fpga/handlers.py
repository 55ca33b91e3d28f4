"""Makes ``sim://`` known to pyserial. Apart from the driver, which takes longer to import."""

from __future__ import annotations

import serial

__all__ = ["URL_HANDLERS"]

#: Where pyserial looks for the handler of ``sim://``; it imports it when such a URL is opened.
URL_HANDLERS = "atomik_sim.urlhandlers"

if URL_HANDLERS not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append(URL_HANDLERS)
