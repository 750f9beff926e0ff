#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads BUILD.bazel and MODULE.bazel as Python, which Starlark is near to: bazel_stand_in.py CHECKOUT VERSION

Checks the version, that each header belongs to one target, and that sources, include folders and dependencies exist.
"""
import pathlib
import sys

checkout, version = pathlib.Path(sys.argv[1]), sys.argv[2]
targets, modules, loaded = {}, [], []


def glob(patterns, exclude=()):
    left_out = {f for p in exclude for f in checkout.glob(p + "/*" if p.endswith("**") else p)}
    return sorted(str(f.relative_to(checkout)) for p in patterns for f in checkout.glob(p) if f not in left_out)


def target(name, **attributes):
    targets[name] = attributes


def ignored(*_positional, **_named):
    pass


rules = {"cc_library": target, "cc_test": target}
build = {"load": lambda label, *names: loaded.extend(names), "glob": glob, "package": ignored, "licenses": ignored,
         "exports_files": ignored, **rules}
exec(compile((checkout / "BUILD.bazel").read_text(encoding="utf-8"), "BUILD.bazel", "exec"), build)
module_names = {"module": lambda **named: modules.append(named), "bazel_dep": lambda name, version: loaded.append("@" + name)}
exec(compile((checkout / "MODULE.bazel").read_text(encoding="utf-8"), "MODULE.bazel", "exec"), module_names)

assert [m["version"] for m in modules] == [version], f"MODULE.bazel says {modules}, the header says {version}"
assert set(rules) <= set(loaded) and "@rules_cc" in loaded, f"a rule is not loaded: {loaded}"
headers = sorted(h for t in targets.values() for h in t.get("hdrs", []))
on_disk = sorted(str(h.relative_to(checkout)) for h in (checkout / "include").rglob("*.hpp"))
assert headers == on_disk, f"in one and not the other: {sorted(set(headers) ^ set(on_disk))}"
for name, attributes in targets.items():
    for path in attributes.get("srcs", []) + attributes.get("includes", []):
        assert (checkout / path).exists(), f"{name}: there is no {path}"
    for dependency in attributes.get("deps", []):
        assert dependency.removeprefix(":") in targets, f"{name}: there is no target {dependency}"
print(f"bazel: {len(headers)} headers in {len(targets)} targets")
