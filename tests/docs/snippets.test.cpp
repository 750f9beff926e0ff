// SPDX-License-Identifier: Apache-2.0
// Checks the documentation: README.md and the other pages at the root, and all pages below docs/.
//   A ```cpp, ```c or ```cmake block must stand, line for line, in a file that is compiled or configured by the tests.
//   A block after `<!-- output of NAME -->` must be what the program example_NAME prints.
//   A linked file must exist.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

std::string trimmed(const std::string& line) {
  const auto from = line.find_first_not_of(" \t");
  if (from == std::string::npos) return "";
  return line.substr(from, line.find_last_not_of(" \t\r") - from + 1);
}

Lines lines_of(std::istream& in) {
  Lines lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}
Lines lines_of(const fs::path& file) {
  std::ifstream in(file);
  REQUIRE(in);
  return lines_of(in);
}

struct Block {
  fs::path file;
  std::size_t line;
  std::string language;
  std::string output_of;  // the example that prints it, if any
  Lines lines;
};

/// The pages at the root that exist, and every page below docs/.
std::vector<fs::path> pages() {
  const fs::path root = SOURCE_DIR;
  std::vector<fs::path> all;
  for (const char* name : {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}) {
    if (fs::exists(root / name)) all.push_back(root / name);
  }
  for (const auto& entry : fs::recursive_directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") all.push_back(entry.path());
  }
  return all;
}

std::vector<Block> blocks() {
  static const std::regex output("<!-- output of ([a-z_]+) -->");
  std::vector<Block> all;
  for (const fs::path& page : pages()) {
    bool inside = false;
    std::string output_of;
    std::size_t number = 0;
    for (const std::string& line : lines_of(page)) {
      ++number;
      std::smatch match;
      if (line.starts_with("```")) {
        if (!inside) all.push_back({page, number, line.substr(3), output_of, {}});
        inside = !inside;
        output_of.clear();
      } else if (inside) {
        all.back().lines.push_back(line);
      } else if (std::regex_search(line, match, output)) {
        output_of = match[1];
      }
    }
    INFO(page << " closes every block that it opens");
    REQUIRE_FALSE(inside);
  }
  return all;
}

/// Whether the lines stand together in the file, apart from indentation and blank lines.
bool stands_in(const Lines& snippet, const Lines& file) {
  const auto bare = [](const Lines& lines) {
    Lines kept;
    for (const auto& line : lines) {
      if (auto text = trimmed(line); !text.empty()) kept.push_back(std::move(text));
    }
    return kept;
  };
  const Lines wanted = bare(snippet);
  const Lines present = bare(file);
  return std::search(present.begin(), present.end(), wanted.begin(), wanted.end()) != present.end();
}

bool is_code(const Block& block) {
  return block.language == "cpp" || block.language == "c" || block.language == "cmake";
}

bool is_written_in(const fs::path& file, const std::string& language) {
  const fs::path extension = file.extension();
  if (language == "cmake") return file.filename() == "CMakeLists.txt";
  return language == "c" ? extension == ".c" || extension == ".h" : extension == ".cpp" || extension == ".hpp";
}

bool stands_in_a_compiled_file(const Block& block) {
  for (const char* folder : {"examples", "tests", "include"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(SOURCE_DIR) / folder)) {
      const fs::path& path = entry.path();
      if (is_written_in(path, block.language) && stands_in(block.lines, lines_of(path))) return true;
    }
  }
  return false;
}

Lines output_of(const std::string& example) {
  const std::string command = std::string(EXAMPLES_DIR) + "/example_" + example + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  REQUIRE(pipe);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) text.append(buffer.data(), n);
  std::istringstream in(text);
  return lines_of(in);
}

}  // namespace

TEST_CASE("every code snippet of the documentation is compiled") {
  int snippets = 0;
  for (const Block& block : blocks()) {
    if (!is_code(block)) continue;
    ++snippets;
    INFO(block.file << ":" << block.line << " shows code that no compiled file contains");
    CHECK(stands_in_a_compiled_file(block));
  }
  CHECK(snippets >= 5);
}

TEST_CASE("every output in the documentation is what the example prints") {
  int outputs = 0;
  for (const Block& block : blocks()) {
    if (block.output_of.empty()) continue;
    ++outputs;
    INFO(block.file << ":" << block.line << " shows the output of " << block.output_of);
    CHECK(block.lines == output_of(block.output_of));
  }
  CHECK(outputs >= 2);
}

TEST_CASE("every file that the documentation links exists") {
  static const std::regex link(R"(\]\(([^)#:]+)(#[^)]*)?\))");
  int links = 0;
  for (const fs::path& page : pages()) {
    bool in_block = false;  // where a lambda may look like a link
    for (const std::string& line : lines_of(page)) {
      if (line.starts_with("```")) in_block = !in_block;
      if (in_block) continue;
      for (auto it = std::sregex_iterator(line.begin(), line.end(), link); it != std::sregex_iterator(); ++it) {
        ++links;
        INFO(page << " links " << (*it)[1]);
        CHECK(fs::exists(page.parent_path() / (*it)[1].str()));
      }
    }
  }
  CHECK(links >= 5);
}
