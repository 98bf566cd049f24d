"""Pure: sender and destination as SMPP addresses: type of number, numbering plan, octets (quirks Q39, Q41–Q43).

The octets of an alphanumeric sender are ASCII, and Latin-1 for what lies beyond: address fields are C-octet strings
that the SMSC converts by itself. An '@' is dropped, since it becomes 0x00 there, the end of the string. What GSM 7-bit
has and Latin-1 has not (the euro sign, Greek capitals) is spelt in letters; what cannot be spelt is not sent.
"""

from typing import Final, Literal, NamedTuple, TypeAlias

TON_INTERNATIONAL: Final = 1
TON_NETWORK_SPECIFIC: Final = 3
TON_ALPHANUMERIC: Final = 5
NPI_UNKNOWN: Final = 0
NPI_ISDN: Final = 1

ADDRESS_OCTETS_MAX: Final = 20
"""source_addr and destination_addr hold 21 octets, the closing NUL included (SMPP 3.4, 5.2.8, 5.2.9)."""

SHORT_CODE_DIGITS_MAX: Final = 6

ALPHANUMERIC_MAX: Final = 11
"""Characters of an alphanumeric address on a handset (3GPP TS 23.040, 9.1.2.5: 10 octets of packed septets)."""

NumberKind: TypeAlias = Literal["alphanumeric", "short_code", "international"]

_TYPES: Final[dict[NumberKind, tuple[int, int]]] = {
    "alphanumeric": (TON_ALPHANUMERIC, NPI_UNKNOWN),
    "short_code": (TON_NETWORK_SPECIFIC, NPI_UNKNOWN),
    "international": (TON_INTERNATIONAL, NPI_ISDN),
}
"""Type of number and numbering plan, unless options say otherwise (SMPP 3.4, 5.2.5, 5.2.6; quirk Q41)."""

_SPELT: Final = {
    "€": "EUR",
    "Δ": "D",
    "Φ": "F",
    "Γ": "G",
    "Λ": "L",
    "Ω": "O",
    "Π": "P",
    "Ψ": "PS",
    "Σ": "S",
    "Θ": "TH",
    "Ξ": "X",
}
"""Characters of GSM 7-bit that Latin-1 has not."""


class Address(NamedTuple):
    """One address as it goes into the PDU. `changes` says in words what is not sent as written; empty: nothing.

    `problem` says why it cannot be sent; empty: it can.
    """

    ton: int
    npi: int
    octets: bytes
    changes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def text(self) -> str:
        """The octets as Latin-1 text, which is how records carry them."""
        return self.octets.decode("latin-1")


def number_kind(written: str) -> NumberKind:
    """Up to 6 digits a short code, more digits E.164, anything else alphanumeric."""
    digits = written.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return "alphanumeric"
    return "short_code" if len(digits) <= SHORT_CODE_DIGITS_MAX else "international"


def source_address(sender: str, ton: int | None = None, npi: int | None = None) -> Address:
    """The sender; `ton` and `npi` override what is derived from its kind."""
    kind = number_kind(sender)
    derived = _TYPES[kind]
    if kind == "alphanumeric":
        octets, changes, problem = _alphanumeric(sender)
    else:
        octets, changes = _capped(sender.removeprefix("+").encode("ascii"), [])
        problem = ""
    return Address(derived[0] if ton is None else ton, derived[1] if npi is None else npi, octets, changes, problem)


def destination_address(to: str, ton: int | None = None, npi: int | None = None) -> Address:
    """The destination, a number or a short code, unless overridden by `dest_ton` and `dest_npi`; a leading '+' is not
    sent (Q43)."""
    octets, changes = _capped(to.removeprefix("+").encode("latin-1", "replace"), [])
    derived = _TYPES["short_code" if number_kind(to) == "short_code" else "international"]
    return Address(derived[0] if ton is None else ton, derived[1] if npi is None else npi, octets, changes)


def _alphanumeric(sender: str) -> tuple[bytes, tuple[str, ...], str]:
    """Octets, changes and problem."""
    changes: list[str] = []
    kept = sender
    if "@" in kept or "\0" in kept:
        kept = kept.replace("@", "").replace("\0", "")
        changes.append("'@' and NUL dropped: 0x00 ends the address")
    spelt = "".join(_SPELT.get(character, character) for character in kept)
    if spelt != kept:
        names = ", ".join(f"{c!r} as {_SPELT[c]!r}" for c in dict.fromkeys(kept) if c in _SPELT)
        changes.append(f"spelt in letters: {names}")
    octets, changed = _capped(spelt.encode("latin-1", "replace"), changes)
    return octets, changed, _problem(sender, kept, spelt)


def _problem(sender: str, kept: str, spelt: str) -> str:
    outside = next((character for character in spelt if character > "\xff"), None)
    if outside is not None:
        return f"{outside!r} of the sender {sender!r} is not in Latin-1, which addresses are written in"
    if spelt != kept and len(spelt) > ALPHANUMERIC_MAX:
        return f"the sender {sender!r} would be {spelt!r}, which is over {ALPHANUMERIC_MAX} characters"
    return "" if spelt else f"of the sender {sender!r} nothing is left"


def _capped(octets: bytes, changes: list[str]) -> tuple[bytes, tuple[str, ...]]:
    if len(octets) > ADDRESS_OCTETS_MAX:
        changes.append(f"cut from {len(octets)} to {ADDRESS_OCTETS_MAX} octets")
        octets = octets[:ADDRESS_OCTETS_MAX]
    return octets, tuple(changes)
