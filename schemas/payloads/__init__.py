"""Pure: the channel's own part of a dispatch record, one module a kind of connector."""
