"""pyserial's URL handlers of this package, for ``serial.protocol_handler_packages``."""
