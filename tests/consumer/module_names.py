#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the names that the public headers declare with those that the module exports.

    module_names.py INCLUDE_FOLDER MODULE_FILE

The headers are formatted by clang-format, so a declaration at namespace scope begins in the first column.
"""
import pathlib
import re
import sys


def declared(header):
    scopes = []
    for line in header.read_text(encoding="utf-8").split("\n"):
        if opened := re.match(r"(?:inline )?namespace (\w+) \{", line):
            scopes.append(opened.group(1))
        elif re.match(r"\}  // namespace", line):
            scopes.pop()
        elif scopes and "detail" not in scopes and re.match(r"[A-Za-z\[]", line):
            text = re.sub(r"\[\[[^\]]*\]\] ?", "", line)
            text = re.sub(r"^((inline|constexpr|consteval) )+", "", text)
            if text.startswith(("template <", "requires ")) or re.match(r"\w+\(.*\) -> ", text):
                continue  # what follows is the declaration; a deduction guide has no name of its own
            named = re.match(r"(?:struct|class|enum class|concept|using) (?:alignas\(\d+\) )?(\w+)", text)
            name = named.group(1) if named else re.split(r"[({=;]", text)[0].split()[-1]
            if "::" not in name:  # a member, defined outside its class
                yield "::".join([s for s in scopes if s != "v0"] + [name])


include, module = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
headers = [h for h in sorted((include / "pdroute").rglob("*.hpp")) if not {"detail", "adapt"} & set(h.parts)]
names = {name for header in headers for name in declared(header)}
exported = set(re.findall(r"using (pdroute::[\w:]+);", module.read_text(encoding="utf-8")))
for name in sorted(names - exported):
    print(f"{module}: does not export {name}")
for name in sorted(exported - names):
    print(f"{module}: exports {name}, which no public header declares")
if names != exported:
    sys.exit(1)
print(f"the module exports all {len(names)} public names")
