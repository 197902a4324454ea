"""Events on the wire: the catalogue, the envelope, derived ids."""
