"""Edge: from a dispatch record to the answer about it: claims, journal, pace."""
