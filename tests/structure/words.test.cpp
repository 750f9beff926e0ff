// SPDX-License-Identifier: Apache-2.0
// The words of comments, docs and test names: an endpoint is "it" and not "who", and names that have been replaced are
// gone.
#include <algorithm>
#include <cctype>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "source_files.hpp"

namespace {

using structure::files_below;
using structure::lines_of;

std::vector<std::string> code_files() {
  std::vector<std::string> all;
  for (const char* folder : {"include", "tests", "examples", "benchmarks"}) {
    for (auto& file : files_below(folder, {".hpp", ".cpp", ".h", ".c", ".mjs"})) {
      if (file != "tests/structure/words.test.cpp") all.push_back(std::move(file));
    }
  }
  return all;
}
std::vector<std::string> pages() {
  std::vector<std::string> all = files_below("docs", {".md"});
  all.insert(all.end(), {"README.md", "CONTRIBUTING.md", "SECURITY.md"});
  return all;
}

/// What a line of code says in words: its comment, and the name of its test.
std::string words_of_code(const std::string& line) {
  static const std::regex comment(R"(//+<?(.*))");
  static const std::regex test_name(R"re((?:TEST_CASE|TEMPLATE_TEST_CASE|SECTION|test)\(\s*["'`](.*))re");
  std::string words;
  std::smatch match;
  if (std::regex_search(line, match, comment)) words += match[1];
  if (std::regex_search(line, match, test_name)) words += " " + match[1].str();
  return words;
}

struct Tally {
  std::size_t words = 0;
  std::vector<std::string> persons;  // the lines that speak of an endpoint as of a person

  void add(const std::string& file, std::size_t number, const std::string& text) {
    static const std::set<std::string> person_words{"who",      "whom",    "whoever", "nobody",   "somebody",
                                                    "everyone", "anybody", "someone", "everybody"};
    std::string word;
    for (const char c : text + " ") {
      if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        continue;
      }
      words += word.empty() ? 0U : 1U;
      if (person_words.contains(word)) persons.push_back(file + ":" + std::to_string(number) + ":" + text);
      word.clear();
    }
  }
};

}  // namespace

TEST_CASE("words: comments, docs and test names say \"who\" of endpoints less than once in 1,000 words") {
  Tally tally;
  for (const std::string& file : code_files()) {
    std::size_t number = 0;
    for (const std::string& line : lines_of(file)) tally.add(file, ++number, words_of_code(line));
  }
  for (const std::string& page : pages()) {
    bool code = false;
    std::size_t number = 0;
    for (std::string line : lines_of(page)) {
      ++number;
      if (line.starts_with("```")) code = !code;
      static const std::regex link(R"(\]\([^)]*\))");  // a file's name is no sentence
      if (!code) tally.add(page, number, std::regex_replace(line, link, "]"));
    }
  }
  std::string list;
  for (const std::string& person : tally.persons) list += "\n" + person;
  INFO(tally.persons.size() << " of " << tally.words << " words:" << list);
  CHECK(tally.words > 50'000);
  CHECK(tally.persons.size() * 1000 < tally.words);
}

TEST_CASE("words: names that were replaced before 0.1.0 stand in the changelog alone") {
  static const std::set<std::string> replaced{"LeaseToken",        "TokenError",    "failures_in_a_row",
                                              "most_share",        "panic_below",   "OneOfPolicy",
                                              "FadingAverage",     "WeighsLeases",  "NamesIncarnation",
                                              "most_requests",     "most_bindings", "highest_endpoint_weight",
                                              "ejection_in_range", "AsItIs",        "Anybody",
                                              "Receipt1",          "Held1",         "at_place",
                                              "Rehearsal",         "Leaver",        "everyone"};
  static const std::regex identifier("[A-Za-z_][A-Za-z0-9_]*");
  std::vector<std::string> files = code_files();
  const auto documents = pages();
  files.insert(files.end(), documents.begin(), documents.end());
  for (const std::string& file : files) {
    std::size_t number = 0;
    for (const std::string& line : lines_of(file)) {
      ++number;
      for (auto it = std::sregex_iterator(line.begin(), line.end(), identifier); it != std::sregex_iterator(); ++it) {
        if (!replaced.contains(it->str())) continue;
        INFO(file << ":" << number << ": " << it->str() << " has another name now, see CHANGELOG.md");
        CHECK(false);
      }
    }
  }
}

TEST_CASE("words: no test name has a semicolon, at which CTest would cut it") {
  static const std::regex name(R"re((?:TEST_CASE|TEMPLATE_TEST_CASE)\(\s*"([^"]*)")re");
  int names = 0;
  for (const std::string& file : files_below("tests", {".cpp"})) {
    const auto lines = lines_of(file);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      // A long name stands on the line after the macro.
      const std::string text = lines[i] + (i + 1 < lines.size() ? " " + lines[i + 1] : "");
      std::smatch match;
      if (!std::regex_search(text, match, name)) continue;
      ++names;
      INFO(file << ":" << i + 1 << ": " << match[1]);
      CHECK(match[1].str().find(';') == std::string::npos);
    }
  }
  CHECK(names > 500);
}
