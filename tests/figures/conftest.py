"""What tests of figures share."""

import pytest

from rdpipe import figures
from rdpipe.figures import _style
from tests.figures.synthetic import experiment, synthetic_table


@pytest.fixture
def sketch(monkeypatch, tmp_path):
    """Draws a figure of an experiment, and returns the page and its numbers instead of files."""

    def draw_page(name, table=None, **settings):
        kept = []

        def save(figure, *saved):
            kept.append((figure, *saved))
            return figure

        monkeypatch.setattr(_style, "save", save)
        if table is None:
            catalogues = {key: settings[key] for key in ("splits", "archs") if key in settings}
            table = synthetic_table((0.1, 1.0, 5.0), **catalogues)
        inputs = experiment(tmp_path, table, **settings)
        drawn = figures.draw(f"rdpipe.figures.{name}", tmp_path, *inputs)
        [(figure, _, named, numbers)] = kept
        assert drawn is figure
        assert named == name
        return figure, numbers.reset_index(drop=True)

    return draw_page
