"""Pure: whether the encoder would refuse a message, asked before a request takes its idempotency key.

A rejected request takes no key, so that the corrected one may come under the same. What else only the encoder would see
(a sender, a text that is too long or not in the alphabet asked for, a flash message that cannot be one) is therefore
looked at here where there is a key. Most texts are so short that they need no look. The encoder has the last word: the
connector may have changed meanwhile.
"""

from binascii import a2b_base64
from functools import lru_cache
from typing import Final

from shared.messages.admission import Admitted
from shared.messages.terms import Terms
from shared.sms.addresses import source_address
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest, NotEncodable
from shared.sms.segmentation import encode_message

SURE_CHARACTERS: Final = 16
"""Characters of any text that have room in a segment: 66 code units of UCS-2 at least (3GPP TS 23.040, 9.2.3.24.1), two
a character, and half of them may stay empty where a cluster is not cut. No other alphabet is taken if it needs more."""


def encoded(request: Admitted, terms: Terms, profile: ConnectorProfile) -> Encoded | NotEncodable:
    """What the encoder would make of `request` for a connector with this profile."""
    if problem := _sender_problem(terms.sender):
        return NotEncodable("invalid_sender", "from", problem)
    return encode_message(encode_request(request, terms), profile)


def refusal_of(request: Admitted, terms: Terms, profile: ConnectorProfile) -> NotEncodable | None:
    """Why the encoder would reject `request` for a connector with this profile; None: it would not."""
    if problem := _sender_problem(terms.sender):
        return NotEncodable("invalid_sender", "from", problem)
    if _surely_encodable(request, terms.max_segments):
        return None
    made = encode_message(encode_request(request, terms), profile)
    return made if isinstance(made, NotEncodable) else None


def _surely_encodable(request: Admitted, max_segments: int) -> bool:
    text = request.text
    return (
        text is not None
        and request.encoding in {"auto", "ucs2"}
        and not request.flash
        and len(text) <= SURE_CHARACTERS * max_segments
    )


def encode_request(request: Admitted, terms: Terms) -> EncodeRequest:
    """`request` as segmentation takes it; it has no identity yet."""
    return EncodeRequest(
        message_id="",
        to=request.to,
        text=request.text,
        data=None if request.data is None else a2b_base64(request.data),
        udh=b"" if request.udh is None else a2b_base64(request.udh),
        data_coding=request.data_coding,
        encoding=request.encoding,
        transliterate=terms.transliterate,
        lookalikes=terms.lookalikes,
        flash=request.flash,
        max_segments=terms.max_segments,
    )


@lru_cache(maxsize=4096)
def _sender_problem(sender: str) -> str:
    """What is wrong with a sender; empty where nothing is. Senders are few and come again and again."""
    return source_address(sender).problem
