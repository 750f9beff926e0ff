#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the version that include/pdroute/version.hpp states: packaging/version.py"""
import pathlib
import re

header = pathlib.Path(__file__).parents[1] / "include/pdroute/version.hpp"
print(".".join(re.findall(r"version_(?:major|minor|patch) = (\d+);", header.read_text())))
