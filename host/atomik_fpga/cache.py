"""What was made once from known inputs is kept on disk: compiled simulators, bitstreams.

An entry is a folder of files. Its name holds two digests: the key, which is made of all that the
files depend on, and the content. So an entry that is there is complete, what is damaged shows, and
nothing is ever overwritten:

- It is written under a name of its own and renamed when it is complete. Two processes that make it
  at once both succeed, with no lock; the content decides whether that is one entry or two.
- Its content is checked against its name when it is looked up. An entry that fails is thrown away
  and made again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import AtomikError

__all__ = ["Cache", "CacheError", "cache_folder", "content_key"]

_log = logging.getLogger(__name__)

#: Hexadecimal digits of a key and of a content's digest in a name: 128 bits each.
_DIGITS = 32

#: How folders begin that are not entries yet, or not any more, and after how many seconds nobody
#: works in them.
_MAKING, _BROKEN = "making-", "broken-"
_LEFT_SECONDS = 24 * 3600


class CacheError(AtomikError, OSError):
    """The cache's folder can't be used."""


def cache_folder(
    platform: str = sys.platform, environment: Mapping[str, str] | None = None
) -> Path:
    """Return where caches live.

    ``ATOMIK_CACHE`` if it is set, else ``atomik`` in the platform's place: ``LOCALAPPDATA``,
    ``~/Library/Caches``, or ``XDG_CACHE_HOME`` and without it ``~/.cache``.
    """
    variables = os.environ if environment is None else environment
    named = variables.get("ATOMIK_CACHE")
    if named:
        return Path(named)
    if platform == "win32":
        local = variables.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "atomik" / "cache"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "atomik"
    # A relative path is to be ignored, says the XDG specification.
    xdg = Path(variables.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "atomik"


def content_key(*parts: bytes | str) -> str:
    """Return a key that differs when any part does, or when they are divided in another way."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:_DIGITS]


class Cache:
    """Entries of one kind.

    Parameters
    ----------
    kind : str
        Name of the folder that holds them.
    folder : Path, optional
        Where that is; by default what `cache_folder` says when an entry is asked for.
    """

    def __init__(self, kind: str, folder: Path | None = None) -> None:
        self._kind = kind
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the entries of this kind are."""
        return (cache_folder() if self._folder is None else self._folder) / self._kind

    def find(self, key: str) -> Path | None:
        """Return the folder of the entry with ``key``; None if there is none that is whole.

        Raises
        ------
        CacheError
            If the cache can't be read.
        """
        try:
            for entry in sorted(self.folder.glob(f"{key}-*")):
                try:
                    whole = entry.name == f"{key}-{_digest(entry)}"
                except FileNotFoundError:
                    # Another process has just thrown it away.
                    continue
                if whole:
                    return entry
                _log.warning("The cache entry %s is damaged; it is made again", entry)
                self._discard(entry)
        except OSError as error:
            raise self._unusable(error) from error
        return None

    def get(self, key: str, make: Callable[[Path], None]) -> Path:
        """Return the folder of the entry with ``key``; what is not there yet is made.

        Parameters
        ----------
        key : str
            As from `content_key`.
        make : callable of Path
            Writes the entry's files into an empty folder. What it raises ends the call, and leaves
            no entry.

        Raises
        ------
        CacheError
            If the cache can't be read or written.
        """
        entry = self.find(key)
        if entry is not None:
            return entry
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            made = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.folder))
        except OSError as error:
            raise self._unusable(error) from error
        try:
            make(made)
            return self._publish(key, made)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _publish(self, key: str, made: Path) -> Path:
        try:
            made.chmod(0o755)
            entry = self.folder / f"{key}-{_digest(made)}"
            try:
                made.rename(entry)
            except OSError:
                # The same content is there already: somebody was quicker.
                if not entry.is_dir():
                    raise
        except OSError as error:
            raise self._unusable(error) from error
        return entry

    def _discard(self, entry: Path) -> None:
        # Renamed first, so that nobody finds it half deleted.
        grave = Path(tempfile.mkdtemp(prefix=_BROKEN, dir=self.folder))
        try:
            entry.rename(grave / entry.name)
        except FileNotFoundError:
            _log.debug("Another process has thrown %s away", entry)
        finally:
            shutil.rmtree(grave, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what processes left that were killed while they made an entry."""
        before = time.time() - _LEFT_SECONDS
        for kind in (_MAKING, _BROKEN):
            for folder in self.folder.glob(f"{kind}*"):
                try:
                    left = folder.stat().st_mtime < before
                except FileNotFoundError:
                    # Its process, or another that sweeps, has just deleted it.
                    continue
                if left:
                    shutil.rmtree(folder, ignore_errors=True)

    def _unusable(self, error: OSError) -> CacheError:
        return CacheError(
            f"The cache in {self.folder} can't be used ({error}): "
            "set ATOMIK_CACHE to a folder that can be written"
        )


def _digest(folder: Path) -> str:
    parts: list[bytes | str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            parts += [path.relative_to(folder).as_posix(), path.read_bytes()]
    return content_key(*parts)
