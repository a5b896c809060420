"""The roles of claims: what is declared, and with which sentence others are refused."""

import inspect
import subprocess
import sys

import pytest

from rdpipe.claims.paper import CLAIMS
from rdpipe.claims.questions import QUESTIONS
from rdpipe.claims.roles import Role, cast, declared, in_words
from rdpipe.common.errors import RdpipeError
from tests import ROOT

READ = """
import sys, yaml
from rdpipe.study.reading import read_study
read_study(yaml.safe_load(open("config.yaml", encoding="utf-8")))
assert not {"pandas", "scipy"} & set(sys.modules)
"""

U = {"sparse": "cv-16k", "shallow": "mlp-1"}
ITS_ROLES = r"its roles are sparse \(one split\), shallow \(one architecture\)\.$"


def test_the_roles_of_each_claim_are_the_keywords_of_its_function():
    both = CLAIMS | QUESTIONS
    assert set(declared()) == set(both) and len(both) == len(CLAIMS) + len(QUESTIONS)
    for name, claim in both.items():
        assert list(inspect.signature(claim.test).parameters) == ["tables", *declared()[name]]


def test_reading_a_config_with_claims_imports_nothing_heavy():
    subprocess.run([sys.executable, "-c", READ], cwd=ROOT, check=True)


def test_annotations_say_what_plays_a_role():
    assert declared()["sparse_u_shape"] == {
        "sparse": Role("split", many=False),
        "shallow": Role("architecture", many=False),
    }
    assert declared()["less_rate_generalizes"] == {
        "splits": Role("split", many=True),
        "archs": Role("architecture", many=True),
    }


def test_roles_for_any_number_are_played_by_all_of_the_experiment():
    players = cast("less_rate_generalizes", {}, splits=["a", "b"], archs=["c"])
    assert players == {"splits": ("a", "b"), "archs": ("c",)}
    given = cast("less_rate_generalizes", {"splits": ["b"]}, splits=["a", "b"], archs=["c"])
    assert given == {"splits": ("b",), "archs": ("c",)}


def test_the_order_in_which_roles_are_given_does_not_matter():
    assert list(cast("sparse_u_shape", dict(reversed(U.items())))) == ["sparse", "shallow"]


def test_the_words_say_who_plays_which_role():
    assert in_words(cast("sparse_u_shape", U)) == "sparse=cv-16k shallow=mlp-1"
    assert in_words({"sparse": "s", "archs": ("a", "b")}) == "sparse=s archs=a,b"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (U | {"deep": "mlp-3"}, "claim sparse_u_shape has no role 'deep'; "),
        ({"sparse": "cv-16k"}, "claim sparse_u_shape lacks its role 'shallow'; "),
        (U | {"shallow": ["mlp-1"]}, "role 'shallow' of claim sparse_u_shape takes one archi"),
    ],
)
def test_other_roles_are_refused_with_the_claims_own(given, sentence):
    with pytest.raises(RdpipeError, match=f"^{sentence}.*{ITS_ROLES}"):
        cast("sparse_u_shape", given, splits=["cv-16k"], archs=["mlp-1"])


def test_a_list_is_asked_for_where_any_number_plays():
    with pytest.raises(RdpipeError, match=r"'archs' .* takes a list of architectures; its roles"):
        cast("information_saturates", {"sparse": "cv-16k", "archs": "mlp-1"})
    with pytest.raises(RdpipeError, match="lacks its role 'archs'"):
        cast("information_saturates", {"sparse": "cv-16k"})


def test_an_unknown_claim_is_refused_with_all_there_are():
    with pytest.raises(RdpipeError, match=r"no claim 'vae_is_best'; there are dense_.*less_rate_"):
        cast("vae_is_best", {})
