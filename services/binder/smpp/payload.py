"""Pure: the payload of a dispatch of kind `smpp` -> its submit_sm."""

from binascii import a2b_base64
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from schemas.payloads.smpp import SmppPayload
from shared.smpp.pdu import SubmitSm
from shared.smpp.smpp_time import absolute, relative
from shared.smpp.tlv import Tlv

_NEEDED: Final = itemgetter(
    "octets",
    "source_addr_ton",
    "source_addr_npi",
    "source_addr",
    "dest_addr_ton",
    "dest_addr_npi",
    "destination_addr",
    "esm_class",
    "registered_delivery",
    "data_coding",
)
_TYPES: Final = (str, int, int, str, int, int, str, int, int, int)
_relative: Final = lru_cache(maxsize=8192)(relative)


class SubmitParts(NamedTuple):
    """What a submit_sm is made of; `parts` are its mandatory fields, all but the first octets of the tuple `_NEEDED`.

    A tuple, because one is made for every segment.
    """

    octets: bytes
    tlvs: tuple[Tlv, ...]
    parts: tuple[Any, ...]
    protocol_id: int
    priority_flag: int
    send_validity: bool
    absolute_validity: bool

    def submit_sm(
        self, left_ms: int, at_ms: int, vendor_tlvs: tuple[Tlv, ...] = (), service_type: str = ""
    ) -> SubmitSm:
        """The submit_sm to write at `at_ms`: the octets as the encoder made them, and what is left of the validity."""
        validity = self._validity(max(1000, left_ms), at_ms) if self.send_validity else ""
        source_ton, source_npi, source, dest_ton, dest_npi, dest, esm_class, registered_delivery, data_coding = (
            self.parts
        )
        return SubmitSm(  # in the order of section 4.4.1; by position, because one is made for every message
            service_type,
            source_ton,
            source_npi,
            source,
            dest_ton,
            dest_npi,
            dest,
            esm_class,
            self.protocol_id,
            self.priority_flag,
            "",
            validity,
            registered_delivery,
            0,
            data_coding,
            0,
            self.octets,
            tlvs=self.tlvs + _others(vendor_tlvs, self.tlvs) if self.tlvs else vendor_tlvs,
        )

    def _validity(self, left_ms: int, at_ms: int) -> str:
        return absolute(at_ms + left_ms) if self.absolute_validity else _relative(-(-left_ms // 1000))


def _others(vendor_tlvs: tuple[Tlv, ...], own: tuple[Tlv, ...]) -> tuple[Tlv, ...]:
    """The connector's, without those that the message has a value of its own for."""
    tags = {tlv.tag for tlv in own}
    return tuple(tlv for tlv in vendor_tlvs if tlv.tag not in tags)


def read_payload(fields: Any) -> SubmitParts:
    """Raises `ValueError`. The usual payload is read by hand; what is not usual is judged by the model."""
    try:
        needed = _NEEDED(fields)
        if tuple(map(type, needed)) == _TYPES and "protocol_id" not in fields and "priority_flag" not in fields:
            return _submit_parts(fields, needed)
    except (ValueError, TypeError, KeyError):
        pass
    fields = SmppPayload.model_validate(fields).model_dump()
    return _submit_parts(fields, _NEEDED(fields))


def _submit_parts(fields: dict[str, Any], needed: tuple[Any, ...]) -> SubmitParts:
    tlvs = fields.get("tlvs")
    return SubmitParts(
        a2b_base64(needed[0], strict_mode=True),
        tuple(Tlv(int(tag), a2b_base64(value, strict_mode=True)) for tag, value in tlvs) if tlvs else (),
        needed[1:],
        fields.get("protocol_id", 0),
        fields.get("priority_flag", 0),
        fields.get("send_validity", True) is not False,
        fields.get("absolute_validity") is True,
    )
