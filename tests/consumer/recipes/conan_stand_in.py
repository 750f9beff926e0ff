#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the methods of the Conan recipe with stand-ins for what Conan offers it: conan_stand_in.py CHECKOUT WORK VERSION

Afterwards, WORK/package holds what the package would.
"""
import fnmatch
import importlib.util
import pathlib
import shutil
import sys
import types

checkout, work, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
sys.dont_write_bytecode = True


class Anything:
    """Takes any attribute, method call and index, and remembers what was set."""

    def __init__(self):
        self.properties = {}
        self.components = ComponentInfos()

    def set_property(self, name, value):
        self.properties[name] = value

    def clear(self):
        pass


class ComponentInfos(dict):
    def __missing__(self, name):
        return self.setdefault(name, Anything())


class ConanFile:
    version = None

    def __init__(self):
        self.recipe_folder = str(checkout / "packaging/conan")
        self.export_sources_folder = self.source_folder = str(work / "source")
        self.package_folder = str(work / "package")
        self.cpp_info, self.info = Anything(), Anything()


def copy(_recipe, pattern, src, dst):
    """Like Conan's: a `*` matches slashes, too."""
    src = pathlib.Path(src).resolve()
    top = src / pattern.split("/")[0] if "/" in pattern else src
    for file in top.rglob("*") if top != checkout or "*" in pattern else [src / pattern]:
        relative = file.relative_to(src)
        if file.is_file() and fnmatch.fnmatch(str(relative), pattern):
            target = pathlib.Path(dst) / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made


module("conan", ConanFile=ConanFile)
module("conan.tools")
module("conan.tools.build", check_min_cppstd=lambda recipe, standard: None, can_run=lambda recipe: True)
module("conan.tools.cmake", CMake=None, cmake_layout=lambda recipe: None)
module("conan.tools.files", copy=copy, load=lambda recipe, path: pathlib.Path(path).read_text(encoding="utf-8"))
module("conan.tools.layout", basic_layout=lambda recipe: None)


def recipe_in(path, name):
    spec = importlib.util.spec_from_file_location("recipe", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)()


recipe = recipe_in(checkout / "packaging/conan/conanfile.py", "PdrouteConan")
for step in ("set_version", "export_sources", "layout", "validate", "package_id", "package", "package_info"):
    getattr(recipe, step)()
assert recipe.version == version, f"the recipe says {recipe.version}, the header says {version}"
targets = [info.properties["cmake_target_name"] for info in recipe.cpp_info.components.values()]
assert targets == ["pdroute::pdroute", "pdroute::adapt_fmt", "pdroute::adapt_prometheus"], targets
recipe_in(checkout / "packaging/conan/test_package/conanfile.py", "PdrouteTestConan")
