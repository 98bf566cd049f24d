"""Edge: reads lifecycle.events; writes ClickHouse, of which it is the only writer; owns no state but what is there.

Events go in as they came, unparsed, many at a time; repeats collapse in the tables. Besides: the migrations at start,
the hourly roll-up, and dead letters for events that ClickHouse cannot read while it is well.
"""
