"""Whatever stands in a config: it is taken, or told in plain lines."""

import copy
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from rdpipe.common.errors import RdpipeError
from rdpipe.study.files import read_file
from rdpipe.study.plan import Plan
from rdpipe.study.reading import merge, read_study
from rdpipe.study.resources import needs
from tests import ROOT

PAPER = (ROOT / "config.yaml").read_text("utf-8")
TINY = (ROOT / "config" / "tests.yaml").read_text("utf-8")


def paths_of(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a config."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [here, *(path for key in keys for path in paths_of(value[key], (*here, key)))]


CONFIG: dict[str, Any] = {}
merge(CONFIG, yaml.safe_load(PAPER))
merge(CONFIG, yaml.safe_load(TINY))
PATHS = paths_of(CONFIG)[1:]
WORDS = [
    "mlp",
    "cnn",
    "cv",
    "cd",
    "images",
    "mnist",
    "tiny",
    "half",
    "mlp-1",
    "fig1",
    "fig3",
    "all",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2, 2**31, 2**63, 2**64, 10**30, -(10**9)]),
    st.just(5000).map(lambda digits: 16**digits),
    st.floats(),
    st.sampled_from(
        ["", "..", "/", "../../x", "~", "$HOME", "$", "a\nb", "a\0b", "\x1b[2J", "\ud800"]
    ),
    st.sampled_from(WORDS),
    st.text(max_size=8),
    st.dates(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.one_of(st.sampled_from([*CONFIG, *WORDS, "kind", "name", "size"]), SCALARS),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """The settings of the tests, in which some values are others, moved, or gone."""
    config = copy.deepcopy(CONFIG)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(PATHS))
        here: Any = config
        try:
            for key in above:
                here = here[key]
            if draw(st.integers(0, 9)) == 0:
                del here[last]
            elif draw(st.integers(0, 4)) == 0:
                here[draw(SCALARS)] = draw(VALUES)
            else:
                here[last] = draw(VALUES)
        except (LookupError, TypeError):  # an earlier change took it away
            continue
    return config


@st.composite
def text(draw: st.DrawFn) -> bytes:
    """A YAML file in which some bytes are others, cut, or doubled; or any bytes."""
    data = bytearray(draw(st.sampled_from([PAPER, TINY])).encode())
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    for _ in range(draw(st.integers(1, 3))):
        place = st.integers(0, len(data))
        first, last = sorted((draw(place), draw(place)))
        match draw(st.sampled_from(["put", "cut", "twice"])):
            case "put":
                new = draw(
                    st.one_of(
                        st.binary(max_size=3),
                        st.sampled_from(
                            [
                                b"*a",
                                b"&a ",
                                b"!!python/name:os.system ",
                                b"? [",
                                b"<<: ",
                                b"\t",
                                b"---\n",
                                b"0x" + 5000 * b"f",
                            ]
                        ),
                    )
                )
                data[first:first] = new
            case "cut":
                del data[first : min(last, first + 40)]
            case "twice":
                data[first:first] = data[first : min(last, first + 400)]
    return bytes(data)


def check(config: Any) -> None:
    """Read a config as every call does, up to the plan and what its jobs ask for."""
    study = read_study(config)
    plan = Plan(study, dict.fromkeys(study.datasets))
    plan.target_files(plan.targets)
    needs(study)


def assert_plain(error: RdpipeError) -> None:
    lines = str(error).split("\n")
    assert all(line.isprintable() and line.endswith((".", "?")) for line in lines), lines


@given(st.one_of(changed(), text()))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_stands_in_a_config_is_taken_or_told_in_plain_lines(tmp_path_factory, given):
    path = tmp_path_factory.getbasetemp() / "overlay.yaml"
    try:
        if isinstance(given, bytes):
            path.write_bytes(given)
            config = yaml.safe_load(PAPER)
            merge(config, read_file(path))
        else:
            config = given
        check(config)
    except RdpipeError as error:
        assert_plain(error)


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 30)
)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (LAUGHS, "its aliases stand for more than 1,000,000 values"),
        ("a: &a [*a]\n", "an alias leads to itself"),
        ("a: " + 100_000 * "[", "it is nested more than 50 deep"),
        (
            "a: !!python/object/apply:os.system [touch pickled]\n",
            "could not determine a constructor",
        ),
        ("a: " + 5000 * "1" + "\n", "Exceeds the limit"),
        ("? [a, b]\n: c\n? {a: b}\n: c\n", "this is not YAML"),
        ("a: 1\n--- \nb: 2\n", "expected a single document"),
    ],
    ids=["laughs", "circle", "deep", "python", "digits", "keys", "documents"],
)
def test_a_file_made_to_do_harm_is_told_at_once(tmp_path, data, why):
    path = tmp_path / "x.yaml"
    path.write_text(data)
    with pytest.raises(RdpipeError, match=why) as refused:
        read_file(path)
    assert_plain(refused.value)
    assert not Path("pickled").exists()


@pytest.mark.parametrize("key", ["store", "downloads"])
@pytest.mark.parametrize("path", ["a\nb", "a\0b", "a\x1bb", "a\u2028b"])
def test_no_path_has_a_control_character(key, path):
    with pytest.raises(RdpipeError, match=f"^{key}: .* has a line break or another control"):
        read_study(yaml.safe_load(PAPER) | {key: path})
