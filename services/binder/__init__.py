"""Edge: reads mt.dispatch.*; writes mt.feedback.*, smsc.receipts, smsc.inbound, connector.states; owns the binds."""
