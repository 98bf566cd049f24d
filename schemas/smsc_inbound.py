"""Pure: `smsc.inbound`: messages from handsets as received; key the destination address."""

from schemas.receipts import Received


class RawInbound(Received):
    """A mobile-originated message, still octets."""
