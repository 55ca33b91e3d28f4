"""Who may open boards on Linux: the one place with such texts. Other errors point here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from ...usb import UsbId

__all__ = ["FOLDERS", "RULE_FILE", "named_in_rules", "rule_lines", "rule_text"]

#: Where udev reads rules from.
FOLDERS: Final = (
    Path("/etc/udev/rules.d"),
    Path("/run/udev/rules.d"),
    Path("/usr/local/lib/udev/rules.d"),
    Path("/usr/lib/udev/rules.d"),
    Path("/lib/udev/rules.d"),
)

#: Rules with the tag uaccess must come before number 73, which acts on it.
RULE_FILE: Final = "/etc/udev/rules.d/70-atomik.rules"


def rule_lines(ids: Iterable[UsbId]) -> list[str]:
    """Return the rules for devices with these ids: a line a vendor.

    Whoever sits at the machine may open the device and its serial ports, and ModemManager does not
    write to them.
    """
    products: dict[int, list[str]] = {}
    for vendor, product in sorted(set(ids)):
        products.setdefault(vendor, []).append(f"{product:04x}")
    return [
        f'SUBSYSTEM=="usb|tty", ATTRS{{idVendor}}=="{vendor:04x}", '
        f'ATTRS{{idProduct}}=="{"|".join(each)}", TAG+="uaccess", ENV{{ID_MM_DEVICE_IGNORE}}="1"'
        for vendor, each in products.items()
    ]


def rule_text(ids: Iterable[UsbId]) -> tuple[str, ...]:
    """Return what to put where, and what to do then."""
    return (
        f"have these lines put in {RULE_FILE}, which takes an administrator, once:",
        *(f"  {line}" for line in rule_lines(ids)),
        "then `udevadm control --reload` as administrator, and plug the board in again",
    )


def named_in_rules(ids: Collection[UsbId], folders: Iterable[Path] = FOLDERS) -> set[UsbId]:
    """Return those ids that a rule of this machine names."""
    found: set[UsbId] = set()
    for folder in folders:
        for path in sorted(folder.glob("*.rules")):
            try:
                text = path.read_text(encoding="utf-8", errors="replace").lower()
            except OSError:
                # Not for everybody's eyes: what is in it shows by what can be opened.
                continue
            for line in text.splitlines():
                if not line.lstrip().startswith("#"):
                    vendors, products = (_values(line, it) for it in ("idvendor", "idproduct"))
                    found.update(
                        (vendor, product)
                        for vendor, product in ids
                        if f"{vendor:04x}" in vendors and f"{product:04x}" in products
                    )
    return found


def _values(line: str, attribute: str) -> set[str]:
    """Return what a rule compares an attribute with."""
    found = re.findall(rf'attrs?\{{{attribute}\}}\s*==\s*"([^"]*)"', line)
    return {value for text in found for value in text.split("|")}
