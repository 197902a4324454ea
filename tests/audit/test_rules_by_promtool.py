"""Rules, dashboard and log queries as Prometheus' own promtool sees them: they parse, and alerts fire when they should.

LogQL and Grafana have no such tool without a server: what in them is PromQL is parsed as that.
"""

import json
import re
import shutil
import subprocess
from datetime import timedelta

import pytest
import yaml

from pairmark.audit.rules import alerts, dashboard, logql
from pairmark.errors import BadRequest

SOURCE = "postgresql://db/shop table theirs.outbox"
HOSTILE = ['post.*"\n    - alert: {{ x }}', "räk\\\\smörgås 🦐.*", "a|b|'c'", "{{ .Values }}"]
LATE = 3 * 60


@pytest.fixture
def promtool(tmp_path):
    """Runs it in a folder; what it said, and whether it was content."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing (Debian: apt-get install prometheus)")

    def run(*words, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        done = subprocess.run(
            ["promtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode == 0, done.stdout + done.stderr

    return run


def as_rules(expressions):
    """Expressions as recording rules, which promtool parses."""
    rules = [{"record": f"checked:number{number}", "expr": one} for number, one in enumerate(expressions)]
    return yaml.safe_dump({"groups": [{"name": "checked", "rules": rules}]})


@pytest.mark.parametrize("source", [".*", SOURCE, *HOSTILE])
def test_alerts_are_taken(promtool, source):
    content, said = promtool("check", "rules", "alerts.yml", alerts=alerts(source, timedelta(hours=2)))
    assert content, said
    assert "5 rules found" in said


NEVER = [
    "(?!x).*",
    "(?=x).*",
    "(?<=a)b",
    "(?<!a)b",
    "(a)\\1",
    "(?P<n>a)(?P=n)",
    "(a)?(?(1)b|c)",
    "a++",
    "a*+",
    "a?+",
    "a{1,2}+",
    "(?>a)b",
    "(?#x)a",
    "a\\Z",
    "(?a:b)",
    "(?x)a b",
    "(?u)a",
    "\\u00e5",
    "\\N{DIGIT ONE}",
    "[\\u00e5]",
    "a{1001}",
    "a{2,20000}",
    "(?i-x:a)",
    "\\\\\\1()",
]
PLAIN = [
    "\\\\1",
    "a\\+",
    "[*+]+",
    "[+]",
    "a+?",
    "a{2}",
    "a{1,2}?",
    "(?:a+)+",
    "(?i)a",
    "(?P<n>a)",
    "(?i:a)b",
    "\\(\\?=x",
    "[(?=x)]",
    "[]+]",
    "[^]+]x",
    "a{1,}",
    "\\d\\bx",
    "\\++",
    "a{1000}",
    "a{1,1000}",
    "(?i-s:a)b",
    "(?s).*",
]


@pytest.mark.parametrize("source", PLAIN)
def test_what_prometheus_can_match_is_taken(promtool, source):
    content, said = promtool("check", "rules", "alerts.yml", alerts=alerts(source, timedelta(hours=2)))
    assert content, said


@pytest.mark.parametrize("source", NEVER)
def test_what_prometheus_cannot_match_is_refused(promtool, source):
    with pytest.raises(BadRequest, match=r"expressions of Prometheus do not know|no regular expression"):
        alerts(source, timedelta(minutes=1))
    content, said = promtool("check", "rules", "checked.yml", checked=as_rules([f"up{{source=~{json.dumps(source)}}}"]))
    assert not content, said


def test_what_is_no_rule_is_not_taken(promtool):
    content, said = promtool(
        "check", "rules", "alerts.yml", alerts=alerts(".*", timedelta(60)).replace("increase(", "increase((")
    )
    assert not content, said


SERIES = f'{{source="{SOURCE}"}}'
QUIET = {
    f"pairmark_audit_up{SERIES}": "1x90",
    f"pairmark_audit_new_duplicates_total{SERIES}": "3x90",
    f'pairmark_audit_verdict{{source="{SOURCE}",verdict="undetermined"}}': "0x90",
    f"pairmark_audit_last_pass_timestamp_seconds{SERIES}": "0+60x90",
}
"""A watch that looks once a minute and sees nothing new. 3 duplicates were there before."""
FIRING = [
    ("PairmarkDuplicateEvents", "critical", f"pairmark_audit_new_duplicates_total{SERIES}", "3x20 5x69", "20m", "22m",
     "Facts were told more than once, again",
     "2 new duplicates in 15 minutes in {source}. Run pairmark audit on it."),
    ("PairmarkAuditUndetermined", "warning", f'pairmark_audit_verdict{{source="{SOURCE}",verdict="undetermined"}}', "0x9 1x80",
     "24m", "26m", "Nothing to look at: absence of data is not clean", "{source} had nothing from which duplicates could be told."),
    ("PairmarkAuditBlind", "warning", f"pairmark_audit_up{SERIES}", "1x9 0x80", "14m", "16m",
     "The audit cannot look at its source", "The last passes over {source} failed."),
    ("PairmarkAuditLate", "warning", f"pairmark_audit_last_pass_timestamp_seconds{SERIES}", "0+60x10 600x79", "13m", "14m",
     "The audit has not looked for a while", "{source} was last looked at 240 seconds ago."),
    ("PairmarkAuditGone", "warning", f"pairmark_audit_up{SERIES}", "1x5 stale", "15m", "17m",
     "The audit is not running", "No watch reports on these sources."),
]  # fmt: skip


@pytest.mark.parametrize("case", FIRING, ids=lambda case: case[0])
def test_each_alert_fires_when_it_should_and_not_before(promtool, case):
    name, severity, series, values, before, after, summary, description = case
    known = {} if name == "PairmarkAuditGone" else {"source": SOURCE}
    if name == "PairmarkAuditUndetermined":
        known["verdict"] = "undetermined"
    told = {
        "exp_labels": {"severity": severity, **known},
        "exp_annotations": {"summary": summary, "description": description.format(source=SOURCE)},
    }
    test = {
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": one, "values": given} for one, given in (QUIET | {series: values}).items()],
            "alert_rule_test": [
                {"eval_time": before, "alertname": name, "exp_alerts": []},
                {"eval_time": after, "alertname": name, "exp_alerts": [told]},
            ],
        }],
    }  # fmt: skip
    written = {"alerts": alerts("postgresql://.*", timedelta(seconds=LATE / 3)), "test": yaml.safe_dump(test)}
    content, said = promtool("test", "rules", "test.yml", **written)
    assert content, said


def test_nothing_fires_while_all_is_well(promtool):
    test = {
        "rule_files": ["alerts.yml"],
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": one, "values": given} for one, given in QUIET.items()],
            "alert_rule_test": [{"eval_time": "80m", "alertname": case[0], "exp_alerts": []} for case in FIRING],
        }],
    }  # fmt: skip
    content, said = promtool(
        "test", "rules", "test.yml", alerts=alerts(".*", timedelta(minutes=1)), test=yaml.safe_dump(test)
    )
    assert content, said


@pytest.mark.parametrize("source", [".*", *HOSTILE])
def test_every_expression_of_the_dashboard_parses_and_every_reference_leads_somewhere(promtool, source):
    made = json.loads(json.dumps(dashboard(source)))
    targets = [target for panel in made["panels"] for target in panel["targets"]]
    content, said = promtool("check", "rules", "checked.yml", checked=as_rules(one["expr"] for one in targets))
    assert content, said
    variables = {one["name"] for one in made["templating"]["list"]}
    asked = set(re.findall(r"\$\{(\w+)\}", json.dumps([panel["datasource"] for panel in made["panels"]])))
    assert asked == variables == {"datasource"}
    for panel in made["panels"]:
        letters = [one["refId"] for one in panel["targets"]]
        assert len(set(letters)) == len(letters)
        assert panel["type"] in {"stat", "timeseries"}
        assert all(one["datasource"] == panel["datasource"] for one in panel["targets"])
    assert (made["schemaVersion"], len(made["uid"]) <= 40) == (39, True)


@pytest.mark.parametrize("kind", ["", "done", 'a"b\\', "räk.*"])
def test_log_queries_are_promql_around_a_pipeline_of_known_stages(promtool, kind):
    selector = '{app="cj", env=~"prod|test"}'
    lines = [line for line in logql(selector, kind, "batch_id", "event_type").splitlines() if not line.startswith("#")]
    pipelines = [re.sub(r"^.*?(?=\{app)| \[1h\].*$", "", line) for line in lines]
    around = [line.replace(f"{pipe} [1h]", "m[1h]") for line, pipe in zip(lines, pipelines, strict=True)]
    filters = []
    for pipe in pipelines:
        assert pipe.startswith(f"{selector} | json | __error__")
        stages = re.findall(r'\| (\w+(?:!?=~?"(?:[^"\\]|\\.)*")?)', pipe)
        assert selector + "".join(f" | {stage}" for stage in stages) == pipe
        filters += [f'{{x="1",{stage}}}' for stage in stages if stage != "json"]
    assert [line for line in around if "m[1h]" in line] == around[:3]
    content, said = promtool("check", "rules", "checked.yml", checked=as_rules([*around[:3], selector, *filters]))
    assert content, said
