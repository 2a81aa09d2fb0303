"""Put the sample documents together: our own files and a public set of questions and answers.

`python samples/collect.py` writes `.tandem/samples/` (or `--to FOLDER`): `alpenhut/` is a copy of our own invented
handbook in four formats; `construction/` is made from the Python package `zaragoza-construction-faq` ("Swedish
Construction FAQ by Zaragoza AB", CC BY 4.0), grouped by subject, one heading a question. Nothing of that package is
part of this repository.
"""

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path

import zaragoza_construction_faq as faq

HERE = Path(__file__).parent
ATTRIBUTION = (
    '"Swedish Construction FAQ by Zaragoza AB", licensed under CC BY 4.0 '
    "(https://creativecommons.org/licenses/by/4.0/), https://github.com/zaragoza-ab/swedish-construction-faq-1000. "
    "Changed: grouped by subject into files; questions and answers are unaltered."
)
# File name: title and the package's categories. Categories that answer the same questions share a file.
DOCUMENTS = {
    "attefall-houses": ("Attefall houses and extensions", ["attefallshus-friggebod", "tillbyggnad"]),
    "bathroom": ("Bathroom renovation", ["badrumsrenovering"]),
    "building-permit": ("Building permits and building rules", ["bygglov", "bbr-pbl", "marklov-rivningslov"]),
    "certificates": ("Trade certificates", ["yrkesbevis-certifikat"]),
    "construction-contracts": ("Construction contracts", ["kontrakt"]),
    "construction-costs": ("What building costs", ["kostnader"]),
    "decks-fences-boundaries": (
        "Decks, fences, boundaries and neighbours",
        ["altan-staket-plank", "tomtgrans-servitut", "buller-granne"],
    ),
    "disputes-and-complaints": ("Disputes and complaints", ["dispute", "reklamation-process"]),
    "electrical-installation": ("Electrical installation", ["elinstallation"]),
    "energy-and-heating": (
        "Heating, heat pumps, solar panels and energy declarations",
        ["varmesystem", "bergvarme-jordvarme", "solceller-varmpump", "energideklaration"],
    ),
    "facade-and-insulation": ("Facades and insulation", ["fasadrenovering", "isolering"]),
    "fireplaces": ("Fireplaces and wood burning", ["oppen-spis-vedeldning"]),
    "hidden-defects": ("Hidden defects of a house", ["dolda-fel"]),
    "inspections-and-warranties": (
        "Inspections, warranties and insurance",
        ["besiktning", "garantier", "forsakring-ansvar"],
    ),
    "kitchen": ("Kitchen renovation", ["koksrenovering"]),
    "plumbing-and-ventilation": ("Plumbing and ventilation", ["vvs", "ventilation"]),
    "radon-and-moisture": ("Radon and moisture damage", ["radon-fuktskador"]),
    "roofing": ("Roofs", ["takläggning"]),
    "rot-and-rut-deductions": ("ROT and RUT tax deductions", ["rot-avdrag", "rut-avdrag"]),
    "shoreline-protection": ("Shoreline protection", ["strandskydd"]),
    "staff-register-and-tax": (
        "Staff register, F-tax and reverse-charge VAT",
        ["personalliggare", "f-skatt", "omvand-moms"],
    ),
    "vetting-a-builder": ("Vetting a construction firm", ["verifiera-byggfirma"]),
    "work-environment": ("Health and safety on the site", ["arbetsmiljo"]),
}


def markdown(title: str, entries: Iterable[dict]) -> str:
    """Return one document: title, attribution, then a heading, the answer and its sources for every question."""
    parts = [f"# {title}", ATTRIBUTION]
    for entry in entries:
        parts += [f"## {entry['q']}", entry["a"]]
        if entry["sources"]:
            parts.append(f"Sources: {', '.join(entry['sources'])}")
    return "\n\n".join(parts) + "\n"


def collect(target: Path) -> list[Path]:
    """Write the sample documents under `target`, replacing an earlier collection, and return their paths."""
    construction, alpenhut = target / "construction", target / "alpenhut"
    for folder in (construction, alpenhut):
        shutil.rmtree(folder, ignore_errors=True)
    construction.mkdir(parents=True)
    (construction / "ATTRIBUTION.txt").write_text(ATTRIBUTION + "\n", encoding="utf-8")

    entries = faq.load(lang="en")
    grouped = [category for _, categories in DOCUMENTS.values() for category in categories]
    if missing := {entry["category"] for entry in entries} - set(grouped):
        raise SystemExit(
            f"zaragoza-construction-faq {faq.__version__} has categories that no document takes: {missing}"
        )
    for name, (title, categories) in DOCUMENTS.items():
        chosen = [entry for category in categories for entry in entries if entry["category"] == category]
        (construction / f"{name}.md").write_text(markdown(title, chosen), encoding="utf-8")
    shutil.copytree(HERE / "alpenhut", alpenhut)
    return sorted(path for path in target.rglob("*") if path.is_file())


def main() -> None:
    """Parse the command line, collect and say what was written."""
    parser = argparse.ArgumentParser(description="Put the sample documents together.")
    parser.add_argument("--to", type=Path, default=HERE.parent / ".tandem" / "samples", metavar="FOLDER")
    target = parser.parse_args().to.resolve()
    files = collect(target)
    for path in files:
        print(f"{path.stat().st_size / 1000:7.1f} kB  {path.relative_to(target).as_posix()}")
    print(f"{len(files)} files in {target}")
    print(f"construction/ is {ATTRIBUTION}")


if __name__ == "__main__":
    main()
