#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What doxygen reads instead of a file: docs/reference_filter.py FILE. Line numbers stay as they are.

Of a header, the comment at the top becomes the description of its file, the inline version namespace is left out, and
hooks without a comment of their own are referred to the concept that describes them. Of a page, the headings get the
anchors that GitHub gives them, which doxygen 1.9 does not, and links go there.

With a folder instead of a file: fails if a public concept in it has no comment, for doxygen 1.9 does not tell.
"""
import os
import pathlib
import re
import sys

# Members that mean the same in each type that has them: (room, declaration, where they are described).
HOOKS = [
    ("cost", r"static constexpr std::string_view name\b", "The name in explanations."),
    ("cost", r"using Load =", "The load metrics that the cost reads; see `LoadMetric`."),
    ("cost", r".*\bload_options\(\)", "The options of `Load`."),
    ("cost", r".*\bprepare\(", "The cost of one choice; see `CostFunction`."),
    ("cost", r".*\boperator\(\)\(", "The cost of one candidate; see `CostFunction`."),
    ("policy", r"using Load =", "The load metrics that the policy reads; see `LoadMetric`."),
    ("policy", r".*\bload_options\(\)", "The options of `Load`."),
    ("policy", r"(using State =|struct State\b)", "What each dispatcher keeps for the policy; see `EndpointSelector`."),
    ("policy", r".*\bmake_state\(", "The state of a new dispatcher; see `EndpointSelector`."),
    ("policy", r".*\bselect\(", "The index of the chosen candidate; see `EndpointSelector`."),
    ("policy", r".*\bexplain\(", "Tells the costs of each candidate; see `DisaggregatedRouter::explain`."),
    ("load", r"(using|struct) (Options|Receipt|Held)\b", "See `LoadMetric`."),
    ("load", r"explicit (constexpr )?\w+\((const )?Options\b", "See `LoadMetric`."),
    ("load", r".*\b(record|undo)\(", "See `CountsChoices`."),
    ("load", r".*\b(try_hold|has_room|grow|let_go|release|set_capacity|held)\(", "See `HoldsDemand`."),
    ("load", r".*\b(begin|start|first_token|complete)\(Held|.*\b(begin|first_token|complete)\(const Held", "See `TimesLeases`."),
    ("", r"using \w+(<.*>)?::\w+;", "As in the base class."),
    ("load", r".*\bidentify\(", "See `IdentifiesEndpoint`."),
    ("", r".*\bcheck\(\) const", "What is wrong with the values; nothing, if all is well."),
    ("", r".*\beach_field\(", "Calls `visit(name, value)` for each field, for adapters."),
    ("", r".*\boperator==\(", "Equal in all fields."),
    ("", r"(constexpr )?(\w+)\(\2&&( other)?\) noexcept", "Moves."),
    ("", r".*\boperator=\(\w+&&", "Moves."),
    ("", r"using (value_type|error_type|result_type) =", "As in the standard library."),
    ("", r".*\b(begin|end|data|size|empty|min|max)\(\) (const )?noexcept", "As in the standard library."),
]


def room_of(path):
    return path.split("/include/pdroute/")[-1].split("/")[0] if "/include/pdroute/" in path else ""


def blank_fmt_formatters(lines):
    """{fmt}'s formatters have nothing to read: the file's description says what can be printed."""
    inside = False
    for number, line in enumerate(lines):
        inside = inside or line.startswith(("template <", "struct fmt::", "namespace pdroute"))
        if inside:
            lines[number] = ""
    return lines


def page(path):
    """Anchors are global in doxygen, so the page's path goes before each."""
    here = os.path.relpath(path)
    label = lambda file, anchor: re.sub(r"\W+", "_", os.path.splitext(file)[0]) + "-" + anchor

    def linked(link):
        text, file, anchor = link.groups()
        target = os.path.normpath(os.path.join(os.path.dirname(here), file)) if file else here
        return f"[{text}](@ref {label(target, anchor)})"

    code = False
    for line in open(path, encoding="utf-8"):
        code ^= line.startswith("```")
        heading = re.match(r"##+ (.*)", line)
        if heading and not code:
            anchor = re.sub(r"[^\w\- ]", "", heading.group(1).lower()).replace(" ", "-")
            line = f"{line.rstrip()} {{#{label(here, anchor)}}}\n"
        elif not code:
            line = re.sub(r"\[([^\]]*)\]\(([^)#:]*)#([^)]*)\)", linked, line)
        sys.stdout.write(line)


def header(path):
    lines = open(path, encoding="utf-8").read().split("\n")
    room = room_of(path)
    if path.endswith("adapt/fmt.hpp"):
        lines = blank_fmt_formatters(lines)
    if lines[0].startswith("// SPDX"):
        lines[0] = "/// @file"
        for number in range(1, len(lines)):
            if not lines[number].startswith("//"):
                break
            lines[number] = "/" + lines[number]
    start = None  # the first line of the declaration being read: its `template` or `requires`
    for number, line in enumerate(lines):
        text = line.strip()
        if re.match(r"(inline namespace v0 \{|\}  // namespace v0)", text):
            lines[number] = ""
            continue
        if text.startswith(("template <", "requires ")):
            start = number if start is None else start
            continue
        first, start = (number if start is None else start), None
        if not line.startswith("  ") or lines[first - 1].strip().startswith("///") or "///<" in line:
            continue
        declaration = re.sub(r"^(\[\[[^\]]*\]\] |friend |inline |constexpr (?!std::string_view))*", "", text)
        for where, pattern, described in HOOKS:
            if where in ("", room) and re.match(pattern, declaration) and len(line) - len(line.lstrip()) <= 4:
                lines[first] = f"/** {described} */ " + lines[first]
                break
    sys.stdout.write("\n".join(lines))


def concepts(folder):
    found = [file for file in sorted(pathlib.Path(folder).rglob("*.hpp")) if "detail" not in file.parts]
    silent = []
    for file in found:
        lines, inside = file.read_text(encoding="utf-8").split("\n"), False
        for number, line in enumerate(lines):
            inside = (inside or line == "namespace detail {") and line != "}  // namespace detail"
            if line.startswith("concept ") and not inside and not lines[number - 2].startswith("///"):
                silent.append(f"{file}:{number + 1}: error: {line.split()[1]} (concept) is not documented.")
    print("\n".join(silent), end="\n" if silent else "")
    sys.exit(1 if silent else 0)


if os.path.isdir(sys.argv[1]):
    concepts(sys.argv[1])
(page if sys.argv[1].endswith(".md") else header)(sys.argv[1])
