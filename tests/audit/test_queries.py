"""What a query gives is a source like any other: the same facts are found in it, with everything known of them."""

from pairmark.audit.columns import recognise
from pairmark.audit.sources.queries import open_query
from pairmark.audit.store import Chosen, Store
from support.incident import PATH, WORST


def test_repeated_facts_of_a_query_are_looked_at_closer():
    source = open_query(str(PATH), "SELECT * FROM ledger WHERE aggregate_id LIKE '2f8dc826%'")
    store = Store(source, recognise(source.columns(), {}, source.shown), Chosen())
    try:
        (fact,) = store.repeated(10)
    finally:
        store.close()
    assert (fact["aggregate"], fact["n"], fact["ids"], len(fact["times"])) == (WORST, 83, 83, 83)
