// SPDX-License-Identifier: Apache-2.0
// Reads untrusted JSON: checks all of it, and can pass fields on unchanged.
#pragma once

#include <simdjson.h>
#include <cstddef>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

/// A field of an object, with its text.
struct Field {
  std::string_view text;  // includes its name
  std::string_view value;
};
using Fields = std::map<std::string_view, Field>;

/// Reads one text after another. Its results point into its buffers, which the next text overwrites.
class JsonReader {
 public:
  JsonReader() {
    if (checked_.allocate(usual_size, deepest) != simdjson::SUCCESS) throw std::bad_alloc();
  }

  /// The reader of this thread. A coroutine must not wait while it uses the reader, since another coroutine could use
  /// it meanwhile.
  static JsonReader& here() {
    thread_local JsonReader reader;
    return reader;
  }

  /// Parses the text and checks every byte. A whole number that does not fit into 64 bits is an error, too.
  simdjson::simdjson_result<simdjson::dom::element> read(std::string_view text) {
    if (checked_.capacity() > usual_size && text.size() <= usual_size) *this = JsonReader();
    size_ = text.size();
    padded_ = text;
    padded_.append(simdjson::SIMDJSON_PADDING, ' ');
    return checked_.parse(padded_.data(), size_, false);
  }

  /// The fields of the object that was just read. If several have one name, with or without escapes, the last one
  /// counts, as in `find`.
  Fields fields() {
    Fields fields;
    auto document = outlined_.iterate(simdjson::padded_string_view(padded_.data(), size_, padded_.size()));
    for (auto field : document.get_object()) {
      const char* const begin = field.key().raw();
      const std::string_view name = field.unescaped_key();
      const std::string_view value = simdjson::to_json_string(field.value());
      const char* const end = value.data() + value.size();
      fields[name] = {.text{begin - 1, end}, .value = value};  // the text begins with the quotation mark of the name
    }
    return fields;
  }

 private:
  /// More than any sensible request needs.
  static constexpr std::size_t deepest = 64;
  /// Buffers for a longer text are not kept, since they are many times as long as the text.
  static constexpr std::size_t usual_size = std::size_t{1} << 20U;

  std::string padded_;  // simdjson reads beyond the end of a text
  std::size_t size_ = 0;
  simdjson::dom::parser checked_;        // checks all values, but does not tell their place in the text
  simdjson::ondemand::parser outlined_;  // tells the place, but does not check inside values
};

/// The last field of this name, which is the one that engines use.
[[nodiscard]] inline std::optional<simdjson::dom::element> find(simdjson::dom::object fields, std::string_view name) {
  std::optional<simdjson::dom::element> found;
  for (const auto& [key, value] : fields) {
    if (key == name) found = value;
  }
  return found;
}

}  // namespace gateway
