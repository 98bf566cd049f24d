"""Pure: messages from handsets."""
