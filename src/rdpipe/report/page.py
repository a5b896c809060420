"""The page of the report: all parts put together in one HTML file."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import yaml

import rdpipe.report.claims as judged
from rdpipe.common.atomic import replacing
from rdpipe.figures._labels import DATASETS
from rdpipe.report import pictures, tables
from rdpipe.report.explorer import explorer
from rdpipe.report.making import making
from rdpipe.report.paper import differences
from rdpipe.results import Results, Run

HERE = Path(__file__).parent
LISTED = 12  # runs that are missing or diverged, before the page only counts them


def write_report(results: Results, path: Path) -> None:
    """Write the report of a study.

    The page shows the results that are there, and names those that are missing.

    Parameters
    ----------
    results
        The results of the study.
    path
        Where the page goes. A page that is there is replaced in one step.
    """
    text = page(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        new.write_text(text, "utf-8")


def page(results: Results) -> str:
    """The report as HTML."""
    about = results.about
    figures = [name for name in about["targets"] if name in about["figures"]]
    experiments = _experiments(results)
    loaded = [one for name in experiments if (one := tables.load(results, name))]
    runs = [*results.all_runs(experiments)]
    claims = judged.claims(results, figures)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        style=(HERE / "page.css").read_text("utf-8"),
        script=(HERE / "explorer.js").read_text("utf-8"),
        title=_title(results, runs),
        study=_study(results, runs),
        differences=differences(results, runs),
        status=_status(runs),
        experiments=experiments,
        absent=[name for name in experiments if name not in [one.name for one in loaded]],
        figures=[_figure(results, name) for name in figures if not judged.judged(results, name)],
        claims=claims,
        verdicts=judged.counts(claims),
        making=making(results, runs),
        settings=yaml.safe_dump(about["settings"], sort_keys=False, allow_unicode=True),
        data=_json(explorer(results, loaded)) if loaded else "",
        written=datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z"),
    )


def _experiments(results: Results) -> list[str]:
    """The experiments that the targets need, in the order of the study."""
    about = results.about
    needed = set()
    for name in about["targets"]:
        if name not in about["figures"]:
            needed.add(name)
            continue
        figure = about["settings"]["figures"][name]
        needed.update(claim["experiment"] for claim in figure["claims"] or ())
        needed.add(figure["experiment"])
    return [name for name in results.experiments if name in needed]


def _title(results: Results, runs: list[Run]) -> str:
    settings = results.about["settings"]
    used = {settings["splits"][run.split]["dataset"] for run in runs}
    names = [
        DATASETS.get(dataset["kind"], name)
        for name, dataset in settings["datasets"].items()
        if name in used
    ]
    data = f" on {in_words(dict.fromkeys(names))}" if names else ""
    return f"{settings['name']}: rate and distortion of β-VAEs{data}"


def _study(results: Results, runs: list[Run]) -> dict[str, Any]:
    """The facts of the paragraph about the study."""
    training = results.about["settings"]["training"]
    betas = results.betas
    return {
        "name": results.about["settings"]["name"],
        "runs": len(runs),
        "splits": len({run.split for run in runs}),
        "archs": len({run.arch for run in runs}),
        "betas": len(betas),
        "smallest": f"{min(betas):g}",
        "largest": f"{max(betas):g}",
        "seeds": len(results.seeds),
        "iterations": results.about["iterations"][-1],
        "batch": training["batch_size"],
    }


def _status(runs: list[Run]) -> dict[str, Any]:
    """How many runs finished, and which did not."""
    named: dict[str, list[str]] = {"diverged": [], "missing": [], "not evaluated": []}
    finished = 0
    for run in runs:
        status = run.status
        if status == "finished" and not (run.evaluation / tables.METRICS).exists():
            status = "not evaluated"
        if status == "finished":
            finished += 1
        else:
            named[status].append(f"{run.split}/{run.arch} β = {run.beta:g} seed {run.seed}")
    others = {
        status: {"number": len(names), "names": names[:LISTED], "more": max(0, len(names) - LISTED)}
        for status, names in named.items()
        if names
    }
    return {"finished": finished, "others": others}


def _figure(results: Results, name: str) -> dict[str, Any]:
    """A figure: picture, title, caption, facts; without a picture if it is not drawn yet."""
    entry = results.about["figures"][name]
    png = results.folder / f"{entry['place']}.png"
    shown: dict[str, Any] = {
        "name": name,
        "title": entry["title"],
        "caption": entry["caption"],
        "facts": _facts(results, entry["settings"]),
        "picture": "",
    }
    if png.exists():
        shown["picture"], (shown["width"], shown["height"]) = pictures.of_file(png)
    return shown


def _facts(results: Results, settings: dict[str, Any]) -> str:
    """The runs behind a figure of an experiment, in a sentence."""
    if "archs" not in settings:
        return ""
    counted = Counter({"split": len(settings["splits"]), "architecture": len(settings["archs"])})
    counted.update({"β": len(results.betas), "seed": len(results.seeds)})
    words = in_words(f"{n:,} {what}{'s' * (n > 1 and what != 'β')}" for what, n in counted.items())
    return f"Runs: {words}, {results.about['iterations'][-1]:,} iterations each."


def in_words(names: Iterable[str]) -> str:
    """Names as a list in a sentence: a, b and c."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _json(data: Any) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
