"""Packs a component for deployment, and unpacks it, by the rules of the workstation's tool.

    pack.py PROJECT_ROOT PACKAGE.zip < component.json     packs; prints the names of the files, one a line
    pack.py --unpack PACKAGE.zip FOLDER

component.json is {"include_extensions", "exclude_patterns", "paths", "required_files"}. Of the folders in `paths` it takes the
files whose names match one of `include_extensions`, and leaves out those whose path contains or matches one of
`exclude_patterns`. All `required_files` have to be there. What is packed has no Unix modes, as on Windows.
"""

import fnmatch
import json
import os
import sys
import zipfile


def files_of(root, component):
    for path in component["paths"]:
        for folder, _, names in os.walk(os.path.join(root, path)):
            for name in names:
                relative = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
                wanted = any(fnmatch.fnmatch(name, pattern) for pattern in component["include_extensions"])
                excluded = any(
                    pattern in relative or fnmatch.fnmatch(relative, pattern)
                    for pattern in component["exclude_patterns"]
                )
                if wanted and not excluded:
                    yield relative


def pack(root, package):
    component = json.load(sys.stdin)
    missing = [name for name in component["required_files"] if not os.path.exists(os.path.join(root, name))]
    if missing:
        sys.exit("Required files not found: " + ", ".join(missing))
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(set(files_of(root, component))):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 0  # Windows
            entry.external_attr = 0  # no modes
            entry.compress_type = zipfile.ZIP_DEFLATED
            with open(os.path.join(root, name), "rb") as file:
                archive.writestr(entry, file.read(), compresslevel=1)
            print(name)


if sys.argv[1] == "--unpack":
    with zipfile.ZipFile(sys.argv[2]) as archive:
        archive.extractall(sys.argv[3])
else:
    pack(sys.argv[1], sys.argv[2])
