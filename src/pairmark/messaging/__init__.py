"""Moving events: outbox, relay, transports, consumers, held and dead messages."""
