"""A device in Python behind a TCP port: for what talks to a port by its URL."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from atomik_sim.model import DeviceModel

__all__ = ["TcpDevice", "serve_device"]


@dataclass(frozen=True)
class TcpDevice:
    """The device, and where it answers."""

    model: DeviceModel
    url: str


@contextmanager
def serve_device(model: DeviceModel) -> Iterator[TcpDevice]:
    """Serve ``model`` to any number of clients, each of which gets the answers to what it sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    lock = threading.Lock()
    clients: list[socket.socket] = []
    threads: list[threading.Thread] = []
    stopping = threading.Event()

    def answer(client: socket.socket) -> None:
        with client:
            try:
                while data := client.recv(4096):
                    with lock:
                        replies = model.receive(data)
                    client.sendall(replies)
            except OSError:
                # The client is gone: what it left in the middle of a frame is noise on the line.
                return

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            if stopping.is_set():
                client.close()
                return
            clients.append(client)
            threads.append(threading.Thread(target=answer, args=(client,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield TcpDevice(model, f"socket://{host}:{port}")
    finally:
        stopping.set()
        # A connection of our own wakes it, on every system.
        socket.create_connection((host, port)).close()
        acceptor.join()
        listener.close()
        for client in clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in threads:
            thread.join()
