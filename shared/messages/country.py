"""Pure: the country of a number by its longest known prefix, ISO 3166 alpha-2.

The table is made once, at start, from the metadata of `phonenumbers`; no number is parsed per message. Most calling
codes belong to one country. Where several share one (+1, +7, +44, ...), the code's digits are followed until only one
country's numbering plan has numbers that begin so; what stays open belongs to the first country of the plan that fits,
as in `phonenumbers` itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import regex  # type: ignore[import-untyped] # the package ships no type information
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

_DEPTH: Final = 7
"""National digits that are looked at: area codes and the blocks that separate the islands of +44 and +590."""

_NO_COUNTRY: Final = "001"
"""What `phonenumbers` calls satellite and other networks of no country."""

_DIGITS: Final = "0123456789"


@dataclass(frozen=True, slots=True)
class _Plan:
    """The numbers of one country among those that share a calling code: either by their first digits, or all of them.

    `phonenumbers` gives first digits where they are enough to tell the country.
    """

    region: str
    leading: "regex.Pattern[str] | None"
    numbers: "regex.Pattern[str]"

    def may_begin(self, digits: str) -> bool:
        """Whether a number of this country can begin with `digits` (national part)."""
        if self.leading is not None:
            return self.leading.match(digits, partial=True) is not None
        return self.numbers.fullmatch(digits, partial=True) is not None

    def owns(self, digits: str) -> bool:
        """Whether every number that begins so is of this country."""
        return self.leading is not None and self.leading.match(digits) is not None


class CountryTable:
    """Prefix to country. No prefix in the table begins another one."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefixes: Final = dict(prefixes)
        self._longest: Final = max(map(len, prefixes), default=0)

    def of(self, number: str) -> str:
        """The country of `number` (digits, no plus sign); empty when it is in none."""
        find = self._prefixes.get
        for length in range(1, self._longest + 1):
            if (country := find(number[:length])) is not None:
                return country
        return ""

    @property
    def prefixes(self) -> frozenset[str]:
        """All prefixes that have a country."""
        return frozenset(self._prefixes)


def country_table() -> CountryTable:
    """The table of every calling code; takes about half a second."""
    found: dict[str, str] = {}
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        if len(regions) > 1:
            found.update((f"{code}{digits}", region) for digits, region in _divided("", _plans(regions), regions[0]))
        elif regions[0] != _NO_COUNTRY:
            found[str(code)] = regions[0]
    return CountryTable(found)


def _plans(regions: Sequence[str]) -> list[_Plan]:
    """The plans of the countries of one calling code, the first one first.

    Numbers that an earlier country has too (islands repeat the mobile numbers of the mainland) are not looked for
    again: the earlier one has them.
    """
    plans: list[_Plan] = []
    known: set[str] = set()
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            continue
        kinds = (metadata.fixed_line, metadata.mobile)
        patterns = {kind.national_number_pattern or "" for kind in kinds if kind} - known - {""}
        known |= patterns
        leading = regex.compile(metadata.leading_digits) if metadata.leading_digits else None
        if patterns or leading:
            plans.append(_Plan(region, leading, regex.compile("|".join(f"(?:{p})" for p in sorted(patterns)))))
    return plans


def _divided(digits: str, plans: list[_Plan], main: str) -> Iterator[tuple[str, str]]:
    """(prefix, country) for everything that begins with `digits`, prefixes as short as they can be."""
    able = [plan for plan in plans if plan.may_begin(digits)]
    if len(able) <= 1 or able[0].owns(digits) or len(digits) == _DEPTH:
        yield digits, able[0].region if able else main
        return
    below = [pair for digit in _DIGITS for pair in _divided(digits + digit, able, main)]
    countries = {country for _, country in below}
    if len(countries) == 1 and digits:
        yield digits, countries.pop()
    else:
        yield from below
