"""Rules made for a user's names parse, ask for metrics that exist, and hold whatever the names are."""

import json
import re
from datetime import timedelta

import pytest
import yaml

from pairmark.audit.metrics import HELP, PREFIX
from pairmark.audit.rules import alerts, dashboard, logql
from pairmark.errors import BadRequest
from support.command import Pairmark

HOSTILE = 'post.*"\n    - alert: {{ x }}'


def metrics_of(text: str) -> set[str]:
    return set(re.findall(rf"{PREFIX}_(\w+)", text))


@pytest.mark.parametrize("source", [".*", "postgresql://host/db.*", HOSTILE])
def test_alert_rules_are_yaml_over_metrics_that_exist(source):
    (group,) = yaml.safe_load(alerts(source, timedelta(seconds=60)))["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [
        "PairmarkDuplicateEvents", "PairmarkAuditUndetermined", "PairmarkAuditBlind", "PairmarkAuditLate", "PairmarkAuditGone"
    ]  # fmt: skip
    for rule in group["rules"]:
        assert metrics_of(rule["expr"]) <= set(HELP)
        assert f"source=~{json.dumps(source)}" in rule["expr"]
        assert rule["expr"].count("{") == rule["expr"].count("}")
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}


def test_the_dashboard_is_json_over_metrics_that_exist_and_panels_do_not_overlap():
    made = json.loads(json.dumps(dashboard(HOSTILE)))
    asked = {name for panel in made["panels"] for target in panel["targets"] for name in metrics_of(target["expr"])}
    assert {"new_duplicates_total", "verdict", "up"} <= asked <= set(HELP)
    places = [(one["gridPos"]["x"] + x, one["gridPos"]["y"] + y) for one in made["panels"]
              for x in range(one["gridPos"]["w"]) for y in range(one["gridPos"]["h"])]  # fmt: skip
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
    assert len({one["id"] for one in made["panels"]}) == len(made["panels"])


def test_log_queries_are_made_for_the_names_and_skip_what_is_no_json():
    queries = [line for line in logql('{app="cj"}', 'a"b', "batch_id", "kind").splitlines() if not line.startswith("#")]
    assert len(queries) == 4
    assert all(one.count("(") == one.count(")") for one in queries)
    assert queries[0].startswith(
        'topk(20, sum by (batch_id) (count_over_time({app="cj"} | json | __error__="" | kind="a\\"b" [1h]))'
    )
    with pytest.raises(BadRequest, match="no label"):
        logql("{}", "", "a-b", "kind")


def test_the_command_prints_each(tmp_path):
    pairmark = Pairmark(tmp_path)
    assert yaml.safe_load(pairmark.run("audit", "rules", "alerts", "--source", "x.*").out)["groups"]
    assert json.loads(pairmark.run("audit", "rules", "dashboard").out)["panels"]
    assert "count_over_time" in pairmark.run("audit", "rules", "logql", "--event-type", "done").out
    pairmark.run("audit", "rules", "logql", "--selector", "app").refused("no LogQL selector")
    pairmark.run("audit", "rules", "alerts", "--source", "(").refused("no regular expression")
