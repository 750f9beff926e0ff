// SPDX-License-Identifier: Apache-2.0
#include "trace_file.hpp"

#include <unistd.h>
#include <zlib.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <sstream>
#include <string>
#include <system_error>

#include "catch2_compat.hpp"
#include "refusal.hpp"
#include "trace.hpp"

namespace {

const std::string json = "{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 2, \"hash_ids\": [0]}\n";
const std::string csv = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n";

/// A file that its destructor removes. Its name has the process id, since several tests may run at once.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("pdroute_replay_" + std::to_string(getpid()) + "_" + name)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  [[nodiscard]] std::string path() const { return path_.string(); }

  void write(const std::string& bytes) const {
    std::ofstream file{path_, std::ios::binary};
    file << bytes;
    REQUIRE(file.flush());
  }
  void write_compressed(const std::string& bytes) const {
    gzFile file = gzopen(path().c_str(), "wb");
    REQUIRE(file != nullptr);
    CHECK(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
    REQUIRE(gzclose(file) == Z_OK);
  }
  [[nodiscard]] std::string bytes() const {
    std::ifstream file{path_, std::ios::binary};
    std::ostringstream result;
    result << file.rdbuf();
    return result.str();
  }

 private:
  std::filesystem::path path_;
};

std::string complaint(const std::string& text) {
  return refusal([&] { return replay::parse_trace("t", text); });
}
std::string complaint(const TemporaryFile& file) {
  return refusal([&] { return replay::read_trace(file.path()); });
}

}  // namespace

TEST_CASE("trace file: the format is recognised by what the file holds") {
  CHECK(replay::parse_trace("t", json) == replay::Trace{{{}, 10, 2}});
  CHECK(replay::parse_trace("t", csv) == replay::Trace{{{}, 4808, 10}});
  CHECK(replay::parse_trace("t", "\xEF\xBB\xBF" + json).size() == 1);
  CHECK(replay::parse_trace("t", "\xEF\xBB\xBF\r\n" + csv).size() == 1);
}

TEST_CASE("trace file: a text that is no trace is refused") {
  CHECK(complaint("") == "t: holds no request");
  CHECK(complaint(" \r\n\n") == "t: holds no request");
  CHECK(complaint("\nhello, world\n").find("t:2: line: must be a JSON object with timestamp") == 0);
  CHECK(complaint("ContextTokens,GeneratedTokens\n") == "t:1: TIMESTAMP: is missing in the header");
  CHECK(complaint(csv + csv[0] + '\0') == "t:3: line: holds a zero byte, so this is not text");
}

TEST_CASE("trace file: a plain and a compressed file give the same trace") {
  for (const std::string& text : {json, csv}) {
    const TemporaryFile file{"plain_or_compressed"};
    file.write(text);
    CHECK(replay::read_trace(file.path()) == replay::parse_trace("t", text));
    file.write_compressed(text);
    REQUIRE(file.bytes() != text);
    CHECK(replay::read_trace(file.path()) == replay::parse_trace("t", text));
  }
}

TEST_CASE("trace file: a file larger than one read is read whole") {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += json;
  const TemporaryFile file{"large"};
  file.write_compressed(text);
  CHECK(replay::read_trace(file.path()).size() == 10'000);
}

TEST_CASE("trace file: a file that cannot be read is refused with the reason") {
  const TemporaryFile file{"bad"};
  SECTION("missing") {
    CHECK(complaint(file) == file.path() + ": cannot be read: No such file or directory");
  }
  SECTION("a directory") {
    std::filesystem::create_directory(file.path());
    CHECK(complaint(file) == file.path() + ": cannot be read: Is a directory");
  }
  SECTION("empty") {
    file.write("");
    CHECK(complaint(file) == file.path() + ": holds no request");
  }
  SECTION("compressed and cut off, wherever") {
    std::string text;
    for (int i = 0; i < 100; ++i) text += json;
    file.write_compressed(text);
    const std::string whole = file.bytes();
    for (std::size_t size = 2; size < whole.size(); ++size) {
      file.write(whole.substr(0, size));
      INFO(size << " of " << whole.size() << " bytes");
      CHECK(complaint(file) == file.path() + ": cannot be read: the compressed data end too early");
    }
  }
  SECTION("compressed and damaged") {
    file.write_compressed(json);
    std::string bytes = file.bytes();
    bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 1);  // in the checksum
    file.write(bytes);
    CHECK(complaint(file) == file.path() + ": cannot be read: the compressed data are damaged");
  }
}
