"""The command ``atomik``.

The one part of the package that may import `atomik_hdl`, `atomik_sim` and `atomik_boards`, and only
inside of functions: a host with nothing but pyserial, click and rich drives a board.
"""

from .app import main

__all__ = ["main"]
