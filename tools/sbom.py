"""Writes what xenbump is made of as CycloneDX 1.6 in JSON: `python tools/sbom.py FILE`, in `.venv-supply`.

In it are xenbump and all that it needs at run time, at the versions of `requirements/run.txt`, each with its licence as
its metadata tells it, its purl, the hashes that its files may have, and what needs what. What only builds or tests
xenbump is not in it. Made twice from the same commit and lock it is the same, byte for byte; before it is written it is
validated against the schema of CycloneDX.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.exception import MissingOptionalDependencyException
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from locked import Locked, graph, read_lock
from packageurl import PackageURL

from xenbump import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import Distribution

    from cyclonedx.model.license import License

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "run.txt"
# From what a package says in the trove classifiers to the identifier of SPDX, where that is certain.
CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def licence(package: Distribution) -> License | None:
    """What a package's metadata says of its licence, as an SPDX expression where it says one."""
    factory = LicenseFactory()
    expression = package.metadata.get_all("License-Expression")
    if expression:
        return factory.make_from_string(expression[0])
    known = {CLASSIFIERS[one] for one in package.metadata.get_all("Classifier") or () if one in CLASSIFIERS}
    if len(known) == 1:
        return factory.make_from_string(known.pop())
    said = (package.metadata.get_all("License") or [""])[0].strip()
    # Some have the whole text there.
    return factory.make_from_string(said) if said and "\n" not in said else None


def component(name: str, version: str, hashes: tuple[str, ...]) -> Component:
    """One package, with every hash that a file of the release may have."""
    package = distribution(name)
    if package.version != version:
        sys.exit(f"sbom: {name} {package.version} is installed and {version} is locked: make .venv-supply anew")
    purl = PackageURL("pypi", None, name, version)
    said = licence(package)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=str(purl),
        purl=purl,
        licenses=[said] if said else (),
        # Hashes of a component are those of one file; a release comes in several, one for each system.
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(str(purl)),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes],
            )
        ],
    )


def build(locked: Mapping[str, Locked], time: datetime) -> Bom:
    """The bill of xenbump, with everything that its metadata asks for as it is installed here."""
    own = distribution("xenbump")
    said = LicenseFactory().make_from_string("MIT")
    purl = PackageURL("pypi", None, "xenbump", __version__)
    main = Component(
        type=ComponentType.APPLICATION,
        name="xenbump",
        version=__version__,
        bom_ref=str(purl),
        purl=purl,
        licenses=[said],
        description=own.metadata["Summary"],
    )
    needed = graph("xenbump")
    missing = sorted(set(needed) - {"xenbump"} - set(locked))
    if missing:
        sys.exit(f"sbom: needed and not locked: {', '.join(missing)}")
    components = {name: component(name, locked[name].version, locked[name].hashes) for name in needed if name in locked}
    components["xenbump"] = main
    # The number follows from the content, so that the same content has the same one.
    content = json.dumps([__version__, sorted((name, *one.hashes) for name, one in locked.items())])
    bom = Bom(components=[one for name, one in components.items() if name != "xenbump"])
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, content)
    bom.metadata.timestamp = time
    bom.metadata.component = main
    bom.metadata.properties.add(Property(name="xenbump:lock", value=LOCK.relative_to(ROOT).as_posix()))
    for name, direct in needed.items():
        bom.register_dependency(components[name], [components[one] for one in sorted(direct)])
    return bom


def write(bom: Bom) -> str:
    """The bill as text, once the schema holds it to be one."""
    text: str = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    try:
        fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    except MissingOptionalDependencyException as error:
        sys.exit(f"sbom: cannot be validated: {error}")
    if fault is not None:
        sys.exit(f"sbom: not as the schema has it: {fault}")
    return text


def commit_time() -> datetime:
    """When the commit was made that is checked out."""
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    seconds = subprocess.run(git, capture_output=True, text=True, check=True).stdout
    return datetime.fromtimestamp(int(seconds), UTC)


def main() -> None:
    """Write the file that is named on the command line."""
    parser = argparse.ArgumentParser(description="Write what xenbump is made of.")
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    bom = build(read_lock(LOCK.read_text("utf-8")), commit_time())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(write(bom), "utf-8")
    print(f"sbom: {file}: xenbump {__version__} and {len(bom.components)} packages, valid CycloneDX 1.6")


if __name__ == "__main__":
    main()
