"""Writes what a release is made of: the licences of every dependency, and a list in CycloneDX's form.

    dependencies.py TARGET FOLDER

Both hold what is linked into program, simulator and plugins for TARGET, and nothing that only builds or
tests need. Everything is read from `Cargo.lock` and the packages that cargo has fetched, so there is
nothing to install, and the same lock file gives the same bytes.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What no Cargo.lock knows: the chart library of the page, from npm's package.
CHARTS = next((ROOT / "cli/vendor").glob("*.tgz"))
LICENCE_FILE = re.compile(r"(licen[sc]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def linked(metadata):
    """The packages that are linked into what the workspace builds by default, sorted."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, waiting = set(), list(metadata["workspace_default_members"])
    while waiting:
        package = waiting.pop()
        if package not in found:
            found.add(package)
            waiting += [
                needed["pkg"]
                for needed in nodes[package]["deps"]
                if any(kind["kind"] is None for kind in needed["dep_kinds"])
            ]
    chosen = [packages[package] for package in found]
    return sorted(chosen, key=lambda package: (package["name"], package["version"]))


def licence_files(package):
    """Those of the package, and of C sources that lie in a folder of it."""
    folder = Path(package["manifest_path"]).parent
    files = [*folder.glob("*"), *folder.glob("*/*")]
    named = [file for file in sorted(files) if file.is_file() and LICENCE_FILE.match(file.name)]
    return [file for file in named if file.suffix not in {".rs", ".toml", ".c", ".h", ".py"}]


def expression(package):
    """The licence in SPDX's form; a slash is its older "or"."""
    return re.sub(r"\s*/\s*", " OR ", package["license"] or "NOASSERTION")


def charts():
    """Name, version, licence and its text of the chart library."""
    with tarfile.open(CHARTS) as package:
        about = json.load(package.extractfile("package/package.json"))
        text = package.extractfile("package/LICENSE").read().decode()
    return about["name"], about["version"], about["license"], text


def named_texts(packages):
    """Every text of a licence, with the package that carries it."""
    name, version, licence, text = charts()
    yield f"{name} {version} ({licence})", text
    for package in packages:
        for file in licence_files(package):
            yield named(package), file.read_text(encoding="utf-8", errors="replace")


def named(package):
    return f"{package['name']} {package['version']} ({expression(package)})"


def notices(packages):
    """Each text once, below the packages that carry it."""
    texts, carriers = {}, {}
    for name, text in named_texts(packages):
        key = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
        texts.setdefault(key, text.strip())
        carriers.setdefault(key, []).append(name)
    without = [
        f"{named(package)} {package['repository'] or ''}".strip()
        for package in packages
        if not licence_files(package)
    ]
    parts = ["Licences of what is linked into InferBench, its simulator and its plugins."]
    for key in sorted(texts, key=lambda key: carriers[key]):
        parts.append("\n".join(["=" * 80, *dict.fromkeys(carriers[key]), "-" * 80, texts[key]]))
    if without:
        parts.append("\n".join(["=" * 80, "Packages that carry no text of their licence:", *without]))
    return "\n\n".join(parts) + "\n"


def component(package, checksums):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    entry = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "licenses": [{"expression": expression(package)}],
        "purl": purl,
    }
    checksum = checksums.get((name, version))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return entry


def bill_of_materials(packages, checksums, version, target):
    own = {
        "type": "application",
        "bom-ref": f"inferbench@{version}",
        "name": "inferbench",
        "version": version,
        "licenses": [{"expression": "Apache-2.0"}],
    }
    name, chart_version, licence, _ = charts()
    page = {
        "type": "library",
        "bom-ref": f"pkg:npm/{name}@{chart_version}",
        "name": name,
        "version": chart_version,
        "licenses": [{"expression": licence}],
        "purl": f"pkg:npm/{name}@{chart_version}",
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own, "properties": [{"name": "target", "value": target}]},
        "components": [*(component(package, checksums) for package in packages), page],
    }


def main(target, folder):
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    packages = linked(metadata)
    foreign = [package for package in packages if package["source"]]
    folder = Path(folder)
    (folder / "THIRD-PARTY.txt").write_text(notices(foreign), encoding="utf-8")
    bill = bill_of_materials(packages, checksums, workspace["package"]["version"], target)
    (folder / "sbom.cdx.json").write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
