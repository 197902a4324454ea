"""Batches judged by language models: every pair in both orders, the order is a parameter of the scale, verdicts stay two."""

import numpy as np

from pairmark.storage.connection import execute
from support.callbacks import answer, deliver, open_comparisons, settle
from support.system import submit

MODEL = 'llm:{"model":"m","provider":"openai"}'
ASKED = "SELECT first, second, wave FROM assessment.comparison WHERE batch_id = %s ORDER BY ordinal"
BIAS = 2.0  # logits for the text shown first


def answered(system, database, ticket, judge="openai:m"):
    """Answer wave after wave by a fixed truth, with a strong taste for what is shown first, until the batch has ended."""
    rng = np.random.default_rng(5)
    for _ in range(60):
        settle(system)
        waiting = open_comparisons(database, ticket)
        if not waiting:
            return
        bodies = []
        for identity, first, second in waiting:
            wins = rng.random() < 1 / (1 + np.exp(-(0.4 * (second - first) + BIAS)))
            told = {"judge": judge, "presented_order": "ab"}
            bodies.append(answer(identity, "Essay A" if wins else "Essay B", request_metadata=told))
        deliver(database, bodies, str(ticket.job_id))


def test_every_pair_is_asked_in_both_orders_of_models_only(system, database):
    ticket = submit(system, 9, judge=MODEL, budget=45)
    answered(system, database, ticket)
    with database.connect() as connection:
        asked = execute(connection, ASKED, [ticket.job_id])
    orders = [(row[0], row[1]) for row in asked]
    alone = {frozenset(pair) for pair in orders if orders.count(pair[::-1]) != orders.count(pair)}
    assert len(orders) == 45
    assert len(alone) == 1  # an odd budget
    by_people = submit(system, 9, judge="simulated:sd=1,seed=3", budget=18)
    settle(system)
    with database.connect() as connection:
        rows = execute(connection, ASKED, [by_people.job_id])
    assert all((row[1], row[0]) not in {(other[0], other[1]) for other in rows} for row in rows)


def test_both_orders_can_be_declined(system, database):
    ticket = submit(system, 9, judge=MODEL, budget=9, both_orders=False)
    settle(system)
    with database.connect() as connection:
        asked = {(row[0], row[1]) for row in execute(connection, ASKED, [ticket.job_id])}
    assert asked
    assert all(pair[::-1] not in asked for pair in asked)


def test_the_taste_for_the_first_text_is_found_and_taken_out_of_the_scores(system, database):
    ticket = submit(system, 12, judge=MODEL, budget=600, pair_limit=20, stability_threshold=0.0)
    answered(system, database, ticket)
    with database.connect() as connection:
        metadata = execute(connection, "SELECT metadata FROM assessment.result WHERE batch_id = %s", [ticket.job_id])
        ranks = execute(
            connection, "SELECT rank FROM assessment.score WHERE batch_id = %s ORDER BY ordinal", [ticket.job_id]
        )
    effect, error = metadata[0][0]["order_effects"]["openai:m"]
    assert abs(effect - BIAS) < 3 * error
    assert error < 0.3
    assert np.corrcoef([row[0] for row in ranks], range(12))[0, 1] > 0.9


def test_each_judge_of_a_panel_has_an_order_effect_of_its_own(system, database):
    ticket = submit(
        system, 6, judge=f'panel:[{{"judge":"{MODEL.replace(chr(34), chr(92) + chr(34))}","share":1}}]', budget=60
    )
    settle(system)
    waiting = open_comparisons(database, ticket)
    while waiting:
        bodies = [
            answer(one, "Essay A" if number % 2 or first < second else "Essay B",
                   request_metadata={"judge": f"judge {number % 2}"})
            for number, (one, first, second) in enumerate(waiting)
        ]  # fmt: skip
        deliver(database, bodies, str(ticket.job_id))
        settle(system)
        waiting = open_comparisons(database, ticket)
    with database.connect() as connection:
        metadata = execute(connection, "SELECT metadata FROM assessment.result WHERE batch_id = %s", [ticket.job_id])[
            0
        ][0]
    effects = metadata["order_effects"]
    assert effects["judge 1"][0] > effects["judge 0"][0] + 0.5
