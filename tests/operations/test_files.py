"""Files for operations say what the program understands: `compose.yaml`, the image, the systemd unit."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pairmark.cli.main import build_parser
from pairmark.config import kafka_settings, load
from pairmark.errors import BadRequest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "packaging" / "pairmark-worker@.service"
DOCKERFILE = ROOT / "packaging" / "Dockerfile"
EXPOSED = 25
"""Most exposure, in tenths, that `systemd-analyze security` may find; 100 is a unit without any protection."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def understood(words: list[str]) -> Any:
    """The program's own reading of a command; it refuses what it does not know."""
    return build_parser().parse_args(words)


def ours(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in compose["services"].items() if "build" in service}


def test_every_command_in_compose_is_one_the_program_knows(compose: dict[str, Any]):
    assert set(ours(compose)) == {"upgrade", "topics", "worker"}
    for service in ours(compose).values():
        understood(service["command"])
    (check,) = [ours(compose)["worker"]["healthcheck"]["test"][1]]
    understood(shlex.split(check.partition(" > ")[0])[1:])


def test_workers_begin_when_everything_is_there_and_there_are_three(compose: dict[str, Any]):
    services = compose["services"]
    assert services["worker"]["deploy"]["replicas"] == 3
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            needs = wanted["condition"]
            assert needs in {"service_healthy", "service_completed_successfully"}, name
            assert needs != "service_healthy" or "healthcheck" in services[other]
    assert set(services["worker"]["depends_on"]) == {"upgrade", "topics"}
    assert int(services["worker"]["stop_grace_period"].rstrip("s")) > 10


def test_images_have_a_version_and_no_host(compose: dict[str, Any]):
    images = {name: service["image"] for name, service in compose["services"].items() if "build" not in service}
    assert set(images) == {"postgres", "kafka"}
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for image in [*images.values(), *bases]:
        name, _, version = image.rpartition(":")
        assert re.match(r"\d", version), image
        assert not re.search(r"[.:]|localhost", name.split("/")[0]), image
    assert int(images["postgres"].rpartition(":")[2].split(".")[0]) >= 17
    assert images["kafka"].startswith("apache/kafka:4.")


def test_no_secret_stands_in_a_file(compose: dict[str, Any]):
    """Passwords come from the environment of whoever starts it, and starting without one is refused."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), port
    assert "PASSWORD" not in UNIT.read_text(encoding="utf-8").replace("PGPASSWORD and the like", "")


def test_settings_in_compose_are_ones_the_program_reads(compose: dict[str, Any]):
    for service in ours(compose).values():
        config = load(environ=service["environment"])
        assert config.database_url == "postgresql://pairmark@postgres:5432/pairmark"
        assert config.kafka == "kafka:9092"


def test_the_image_has_what_its_lines_name():
    text = DOCKERFILE.read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--)(.+)$", text, flags=re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
    assert "--require-hashes" in text
    lock = (ROOT / "requirements" / "worker.txt").read_text(encoding="utf-8")
    assert re.search(r"^confluent-kafka==", lock, flags=re.MULTILINE)
    understood([*re.findall(r'^CMD \["(\w+)"\]', text, flags=re.MULTILINE)])


def unit() -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


def test_the_unit_starts_a_worker_that_the_program_knows_and_stops_it_in_time():
    settings = unit()
    (command,) = settings["ExecStart"]
    program, *words = command.split()
    assert Path(program).name == "pairmark"
    assert words[-1] == "$PAIRMARK_WORKER_OPTIONS"
    understood(words[:-1])
    options = re.search(r"PAIRMARK_WORKER_OPTIONS=(.+)", UNIT.read_text(encoding="utf-8"))
    assert options
    understood([*words[:-1], *options[1].split()])
    assert settings["Restart"] == ["always"]
    assert settings["RestartPreventExitStatus"] == [str(BadRequest.exit_code)]
    assert int(settings["TimeoutStopSec"][0]) > 10
    assert settings["EnvironmentFile"][0] == "/etc/pairmark/worker.env"


def test_each_instance_of_the_unit_has_a_folder_of_its_own():
    """Each runs as a user of its own, who may not read what another has written."""
    settings = unit()
    assert settings["DynamicUser"] == ["yes"]
    (folder,) = settings["StateDirectory"]
    assert "%i" in folder
    assert f"PAIRMARK_HOME=%S/{folder}" in settings["Environment"][0].split()


def test_what_kubernetes_says_of_its_services_is_no_setting():
    told = {}
    for service in ("KAFKA", "DATABASE", "DATABASE_JUDGING"):
        told |= {
            f"PAIRMARK_{service}_SERVICE_HOST": "10.0.0.1",
            f"PAIRMARK_{service}_SERVICE_PORT": "9092",
            f"PAIRMARK_{service}_SERVICE_PORT_PLAIN": "9092",
            f"PAIRMARK_{service}_PORT": "tcp://10.0.0.1:9092",
            f"PAIRMARK_{service}_PORT_9092_TCP": "tcp://10.0.0.1:9092",
            f"PAIRMARK_{service}_PORT_9092_TCP_PROTO": "tcp",
            f"PAIRMARK_{service}_PORT_9092_TCP_PORT": "9092",
            f"PAIRMARK_{service}_PORT_9092_TCP_ADDR": "10.0.0.1",
        }
    asked = {"PAIRMARK_DATABASE": "postgresql://a/b", "PAIRMARK_DATABASE_JUDGING": "postgresql://c/d"}
    assert load(environ=told | asked).elsewhere == {"judging": "postgresql://c/d"}
    assert kafka_settings(told | {"PAIRMARK_KAFKA_SASL_USERNAME": "me"}) == {"sasl.username": "me"}
    with pytest.raises(BadRequest, match="PAIRMARK_DATABASE_PORT names no service"):
        load(environ={"PAIRMARK_DATABASE_PORT": "5432"})
    with pytest.raises(BadRequest, match="PAIRMARK_KAFKA_PORT is no setting"):
        kafka_settings({"PAIRMARK_KAFKA_PORT": "9092"})


@pytest.mark.may_skip(reason="systemd is on Linux only, and not on all of them")
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_unit_and_finds_it_well_closed(tmp_path: Path):
    """With programs that are here in the place of installed ones."""
    text = UNIT.read_text(encoding="utf-8").replace("/opt/pairmark/bin/pairmark", sys.executable)
    copy = tmp_path / "pairmark-worker@.service"
    copy.write_text(text, encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "pairmark-worker@1.service")]
    (tmp_path / "pairmark-worker@1.service").symlink_to(copy)
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "pairmark" in line]) == (0, [])
    closed = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED}", str(copy)]
    done = subprocess.run(closed, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
