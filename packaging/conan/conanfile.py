# SPDX-License-Identifier: Apache-2.0
# Conan 2 recipe; takes the sources from the checkout it lies in: conan create packaging/conan
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class PdrouteConan(ConanFile):
    name = "pdroute"
    description = "Routing for disaggregated LLM inference: choose a prefill and a decode endpoint per request"
    license = "Apache-2.0"
    topics = ("llm", "inference", "load-balancing", "routing", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    @property
    def _checkout(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._checkout, "include", "pdroute", "version.hpp"))
        self.version = ".".join(re.findall(r"version_(?:major|minor|patch) = (\d+);", header))

    def export_sources(self):
        copy(self, "include/*.hpp", src=self._checkout, dst=self.export_sources_folder)
        copy(self, "LICENSE", src=self._checkout, dst=self.export_sources_folder)

    def layout(self):
        basic_layout(self)

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", src=os.path.join(self.source_folder, "include"), dst=os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "pdroute")
        for component, requires in (("pdroute", []), ("adapt_fmt", ["pdroute"]), ("adapt_prometheus", ["pdroute"])):
            info = self.cpp_info.components[component]
            info.set_property("cmake_target_name", f"pdroute::{component}")
            info.bindirs = []
            info.libdirs = []
            info.requires = requires
