"""Figure 2: sketches of splits, with the settings that the plan of the paper's study gives it."""

import pandas as pd
import yaml

from rdpipe import figures
from rdpipe.splits import assign
from rdpipe.study.plan import Plan
from rdpipe.study.reading import read_study
from tests import ROOT

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))


def test_figure_2_shows_the_parts_that_the_splits_assign(tmp_path):
    settings = Plan(read_study(PAPER)).figures["fig2"].settings
    figures.draw("rdpipe.figures.fig2", tmp_path, {}, settings)
    shown = pd.read_csv(tmp_path / "fig2.csv")
    assert shown["split"].value_counts().eq(600).all()
    checkerboard = shown[shown["split"] == "checkerboard"]
    unit = checkerboard[["factor_1", "factor_2"]].to_numpy()
    assert (assign(unit, kind="checkerboard") == checkerboard["part"]).all()
    assert (shown["split"] + shown["part"]).eq("cv-16ktrain").sum() == 60
