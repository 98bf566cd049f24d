"""Edge: the SMPP 3.4 core, client and server: codec, sans-IO sessions, asyncio transport.

Who needs what:

* values on the wire: `pdu` (one class a command), `constants` (ids, statuses, tags), `tlv` (optional parameters);
* octets: `codec.encode`, `codec.decode_next`;
* a client: `session.EsmeSession` with `config.EsmeConfig`; a server: `server_session.SmscSession` with `SmscConfig`;
* what they say: `events`; what they may do when: `transitions` (docs/smpp-session.md is drawn from it);
* sockets: `transport.connect_client`, `transport.serve`, `tls.client_context`; looking over their shoulder: `trace`.

Nothing here imports Kafka, ClickHouse, `schemas` or a service. `aiosmpplib` is the vocabulary that our names
follow; it is not imported at run time (it has no type information and comes with an event loop session of its own): the
tests compare every name, value and octet with it where it is right.
"""
