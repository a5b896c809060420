"""The page of verdicts shows the table of verdicts."""

import re

import numpy as np
import pandas as pd
import pytest

from rdpipe.claims.judging import judge
from rdpipe.common.files import read_parquet, write_parquet
from rdpipe.figures import _style
from rdpipe.figures import claims as figure
from tests.claims.worlds import BETAS, entry, runs_of

SHOWN = ("sparse_u_shape", "sparse_l_shape", "checkerboard_neighbours", "sparse_elbo_peak")


def inputs_of(folder, seeds):
    """The files behind the claims SHOWN, and the claims."""
    claims, inputs = [], {}
    for claim in SHOWN:
        claims.append(entry(claim) | {"experiment": claim})
        for name, table in runs_of(claim, seeds=seeds, betas=BETAS[1:]).items():
            inputs[f"{claim}/{name}"] = folder / f"{claim}-{name}.parquet"
            write_parquet(inputs[f"{claim}/{name}"], table)
    return claims, inputs


@pytest.mark.parametrize("seeds", [2, 5])
def test_the_figure_is_the_table_and_the_same_bytes_again(seeds, tmp_path):
    claims, inputs = inputs_of(tmp_path, seeds)
    files = []
    for folder in (tmp_path / "once", tmp_path / "again"):
        figure.draw(folder, inputs=inputs, claims=claims)
        files.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert files[0] == files[1]
    assert [*files[0]] == ["claims.csv", "claims.pdf", "claims.png"]
    shown = pd.read_csv(tmp_path / "once" / "claims.csv")
    read = {
        claim: {n: read_parquet(inputs[f"{claim}/{n}"]) for n in ("runs", "neighbours")}
        for claim in SHOWN
    }
    judged = judge(read, claims)
    assert [*shown] == [*judged]
    for column in ("claim", "claim_verdict", "verdict", "decides", "n", "roles"):
        assert shown[column].tolist() == judged[column].tolist()
    for column in ("effect", "low", "high", "deviation", "decidable", "decidable_5_seeds"):
        np.testing.assert_allclose(shown[column].to_numpy(), judged[column], rtol=1e-8)


def test_what_five_seeds_decide_lies_beyond_the_margin_on_the_side_that_is_claimed(
    tmp_path, monkeypatch
):
    kept = []
    monkeypatch.setattr(_style, "save", lambda *saved: kept.append(saved))
    claims, inputs = inputs_of(tmp_path, seeds=5)
    figure.draw(tmp_path, inputs=inputs, claims=claims)
    [(page, _, _, verdicts)] = kept
    texts = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in page.axes[0].texts]
    decided = [text for text in texts if re.fullmatch(r"[<>] \S+", text)]
    over_seeds = verdicts[verdicts["n"] > 0]
    assert {*over_seeds["claimed"]} == {"above", "below"}
    for (_, row), text in zip(over_seeds.iterrows(), decided, strict=True):
        sign, effect = text.split()
        assert sign == {"above": ">", "below": "<"}[row["claimed"]]
        beyond = float(effect) - row["margin"]
        expected = row["decidable_5_seeds"] * {"above": 1, "below": -1}[row["claimed"]]
        assert beyond == pytest.approx(expected, abs=0.06 * abs(float(effect)) + 1e-9)
