"""The page of verdicts shows the table of verdicts."""

import numpy as np
import pandas as pd
import pytest

from rdpipe.claims.judging import judge
from rdpipe.common.files import read_parquet, write_parquet
from rdpipe.figures import claims as figure
from tests.claims.worlds import BETAS, entry, runs_of

SHOWN = ("sparse_u_shape", "sparse_l_shape", "checkerboard_neighbours", "sparse_elbo_peak")


@pytest.mark.parametrize("seeds", [2, 5])
def test_the_figure_is_the_table_and_the_same_bytes_again(seeds, tmp_path):
    claims, inputs = [], {}
    for claim in SHOWN:
        claims.append(entry(claim) | {"experiment": claim})
        for name, table in runs_of(claim, seeds=seeds, betas=BETAS[1:]).items():
            inputs[f"{claim}/{name}"] = tmp_path / f"{claim}-{name}.parquet"
            write_parquet(inputs[f"{claim}/{name}"], table)
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
