"""Edge: `smsgw up`: starts, watches and stops every process of one machine."""
