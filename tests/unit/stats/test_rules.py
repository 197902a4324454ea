"""Pairing rules on single designs: what each prefers, and that the adaptive one is the better order for the same votes."""

import numpy as np
import pytest

from pairmark.stats.errors import StatsError
from pairmark.stats.pairing import plan_by_value, plan_wave
from pairmark.stats.rules import RULES, adaptive, closest_score, equal_appearances, in_both_orders, random_pairs, rule
from pairmark.stats.simulation import true_scores
from pairmark.stats.threads import one_blas_thread
from pairmark.stats.wave_history import history_of
from support.replay import agreement, topics
from support.sizes import size
from support.topics_alike import topic_alike

THETA = true_scores(60, 2.0, seed=1)
START = plan_wave(60, [], [], size=60, seed=1)


def gap(name, **more):
    wave = rule(name)(60, START[:, 0], START[:, 1], size=60, theta=THETA, seed=1, wave=1, **more)
    return float(np.abs(THETA[wave[:, 0]] - THETA[wave[:, 1]]).mean())


def test_scores_matter_to_two_of_the_rules():
    assert max(gap("adaptive"), gap("closest-score")) < min(gap("equal-appearances"), gap("random")) / 2


def test_closest_score_can_leave_nothing_to_chance():
    assert gap("closest-score", at_random=0.0) < gap("closest-score") / 2


def test_the_first_wave_is_one_balanced_round_under_all_rules_but_random():
    for name, one in RULES.items():
        wave = one(60, [], [], size=60, seed=1)
        assert (np.ptp(np.bincount(wave.ravel(), minlength=60)) == 0) == (name != "random")


def test_the_thick_of_the_scale_gets_more_comparisons_than_its_ends_but_not_many():
    wave = adaptive(60, START[:, 0], START[:, 1], size=60, theta=np.sort(THETA), seed=1, wave=1)
    counts = np.bincount(wave.ravel(), minlength=60)
    assert counts[20:40].mean() > counts[[*range(5), *range(55, 60)]].mean() + 0.3
    assert counts.max() <= 3


def test_scores_that_are_mostly_noise_are_followed_in_part_only():
    noise = THETA / 2
    wave = adaptive(60, START[:, 0], START[:, 1], size=60, theta=noise, seed=1, wave=1)
    history = history_of(60, START[:, 0], START[:, 1], 4, None)
    followed = plan_by_value(history, 60, noise, seed=1, wave=1, by_doubt=True)
    gaps = [np.abs(noise[pairs[:, 0]] - noise[pairs[:, 1]]).mean() for pairs in (wave, followed)]
    assert gaps[0] > 1.1 * gaps[1]


def test_a_pair_that_was_asked_waits_while_there_are_new_ones():
    asked = START
    for wave in range(1, 6):
        new = adaptive(60, asked[:, 0], asked[:, 1], size=60, theta=THETA, seed=1, wave=wave)
        asked = np.concatenate([asked, new])
    assert len(np.unique(np.sort(asked, axis=1), axis=0)) >= 0.98 * len(asked)


@pytest.mark.parametrize("seed", range(20))
def test_pairs_drawn_blindly_are_not_asked_again_in_the_same_wave(seed):
    asked = adaptive(10, [], [], size=10, seed=seed)
    noise = np.random.default_rng(seed).normal(0, 0.1, 10)
    wave = adaptive(10, asked[:, 0], asked[:, 1], size=20, theta=noise, seed=seed, wave=1)
    assert len(np.unique(np.sort(wave, axis=1), axis=0)) == 20


@pytest.mark.parametrize(("n_items", "size"), [(24, 68), (18, 48), (20, 45)])
@pytest.mark.parametrize("seed", range(10))
def test_seats_are_level_when_the_last_pairs_leave_no_choice(n_items, size, seed):
    """Every pair once: what is left fits no quota of seats, so that pairs of the wave have to be turned round."""
    asked = np.zeros((0, 2), dtype=np.int64)
    while len(asked) < n_items * (n_items - 1) // 2:
        theta = np.random.default_rng([seed, len(asked)]).normal(0, 1.5, n_items) if len(asked) else None
        new = adaptive(
            n_items, asked[:, 0], asked[:, 1], size=size, theta=theta, seed=seed, wave=len(asked), pair_limit=1
        )  # fmt: skip
        asked = np.concatenate([asked, new])
        lead = np.bincount(asked[:, 0], minlength=n_items) - np.bincount(asked[:, 1], minlength=n_items)
        assert np.abs(lead).max() <= 1


def test_random_pairs_of_very_many_items_are_different_and_not_asked_before():
    first = random_pairs(5_000, [], [], size=5_000, seed=1)
    second = random_pairs(5_000, first[:, 0], first[:, 1], size=5_000, seed=1, wave=1)
    both = np.sort(np.concatenate([first, second]), axis=1)
    assert len(np.unique(both, axis=0)) == 10_000


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("size", [1, 7, 60, 61, 500])
def test_in_both_orders_every_pair_comes_twice_and_its_calls_stand_by_first_text(name, size):
    wave = in_both_orders(rule(name))(30, [], [], size=size, theta=THETA[:30], seed=2)
    assert len(wave) == size
    orders = {tuple(pair) for pair in wave.tolist()}
    alone = [pair for pair in orders if pair[::-1] not in orders]
    assert len(orders) == size
    assert len(alone) == size % 2
    assert (np.diff(wave[:, 0]) >= 0).all()


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_in_both_orders_no_pair_is_asked_more_often_than_the_limit(limit):
    asked = np.zeros((0, 2), dtype=np.int64)
    for wave in range(12):
        new = in_both_orders(adaptive)(
            6, asked[:, 0], asked[:, 1], size=10, theta=THETA[:6], seed=3, pair_limit=limit, wave=wave
        )
        asked = np.concatenate([asked, new])
    times = np.unique(np.sort(asked, axis=1), axis=0, return_counts=True)[1]
    assert times.max() <= limit
    assert len(asked) >= 15 * (limit - limit % 2)


def test_an_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(StatsError, match="'swiss' is not one of adaptive, closest-score, equal-appearances, random"):
        rule("swiss")


def test_the_adaptive_rule_finds_the_order_of_all_real_votes_better_than_equal_appearances():
    """Full size: also better than the closest score, with and without chance, at 10, 14 and 20 comparisons per essay."""
    marks, seeds = size((20,), (10, 14, 20)), range(size(25, 50))
    peers = [equal_appearances] if len(marks) == 1 else [equal_appearances, closest_score, strictly_closest]
    with one_blas_thread():
        ours, *others = (
            np.mean([agreement(topic, one, seed, marks) for topic in topics().values() for seed in seeds], axis=0)
            for one in (adaptive, *peers)
        )
    for other in others:
        assert (ours > other).all()


@pytest.mark.soak
def test_the_adaptive_rule_is_better_than_the_closest_score_on_topics_it_was_not_chosen_on():
    """30 topics drawn like the recorded ones: at 10 comparisons per essay on average, at 14 and 20 with 95 % intervals above 0."""
    with one_blas_thread():
        drawn = [topic_alike(1_000 + number) for number in range(30)]
        ours, strict = (
            np.array([agreement(topic, one, seed, (10, 14, 20)) for topic in drawn for seed in range(10)])
            for one in (adaptive, strictly_closest)
        )
    gain = ours - strict
    reach = 1.96 * gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
    assert (gain.mean(axis=0) > [0.0, *reach[1:]]).all()


def test_topics_alike_have_votes_as_the_recorded_ones_have():
    drawn, recorded = ([*few] for few in ([topic_alike(k) for k in range(6)], topics().values()))
    for share in (votes_per_pair, ties):
        assert np.mean([share(one) for one in drawn]) == pytest.approx(
            np.mean([share(one) for one in recorded]), rel=0.2
        )
    assert all(25 <= len(one.items) <= 35 for one in drawn)


def votes_per_pair(topic):
    return np.mean([len(votes) for votes in topic.votes.values()])


def ties(topic):
    return np.mean([outcome == 0.5 for votes in topic.votes.values() for _, _, outcome in votes])


def strictly_closest(*arguments, **more):
    return closest_score(*arguments, at_random=0.0, **more)
