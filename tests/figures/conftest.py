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
        monkeypatch.setattr(_style, "save", lambda *saved: kept.append(saved))
        if table is None:
            catalogues = {key: settings[key] for key in ("splits", "archs") if key in settings}
            table = synthetic_table((0.1, 1.0, 5.0), **catalogues)
        figures.draw(f"rdpipe.figures.{name}", tmp_path, *experiment(tmp_path, table, **settings))
        [(figure, _, named, numbers)] = kept
        assert named == name
        return figure, numbers.reset_index(drop=True)

    return draw_page
