"""Pure: step one: accepted segments and their receipts."""
