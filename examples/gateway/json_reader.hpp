// SPDX-License-Identifier: Apache-2.0
// Reads JSON that strangers have written: all of it is checked, and fields can be passed on as they were written.
#pragma once

#include <simdjson.h>
#include <cstddef>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

/// A field as it is written.
struct Field {
  std::string_view text;  // with its name
  std::string_view value;
};
using Fields = std::map<std::string_view, Field>;

/// Reads one text after another. What it gives out lies in its buffers, which it uses again for the next text.
class JsonReader {
 public:
  JsonReader() {
    if (checked_.allocate(usual_size, deepest) != simdjson::SUCCESS) throw std::bad_alloc();
  }

  /// Each thread has one. No coroutine may wait for anything while it uses it, as another one would read meanwhile.
  static JsonReader& here() {
    thread_local JsonReader reader;
    return reader;
  }

  /// Checks every byte. A whole number that has no place in 64 bits is a mistake, too.
  simdjson::simdjson_result<simdjson::dom::element> read(std::string_view text) {
    if (checked_.capacity() > usual_size && text.size() <= usual_size) *this = JsonReader();
    size_ = text.size();
    padded_ = text;
    padded_.append(simdjson::SIMDJSON_PADDING, ' ');
    return checked_.parse(padded_.data(), size_, false);
  }

  /// Of the object that was just read. Of several with one name, however it is spelt, there is the last, as in `find`.
  Fields fields() {
    Fields fields;
    auto document = outlined_.iterate(simdjson::padded_string_view(padded_.data(), size_, padded_.size()));
    for (auto field : document.get_object()) {
      const char* const begin = field.key().raw();
      const std::string_view name = field.unescaped_key();
      const std::string_view value = simdjson::to_json_string(field.value());
      const char* const end = value.data() + value.size();
      fields[name] = {.text{begin - 1, end}, .value = value};  // the text begins with the name's quotation mark
    }
    return fields;
  }

 private:
  /// More than any request means.
  static constexpr std::size_t deepest = 64;
  /// Buffers for a longer text are not kept: they are many times as long.
  static constexpr std::size_t usual_size = std::size_t{1} << 20U;

  std::string padded_;  // simdjson reads beyond a text's end
  std::size_t size_ = 0;
  simdjson::dom::parser checked_;        // does not say where in the text a value is
  simdjson::ondemand::parser outlined_;  // says it, but does not look into values
};

/// The last field of this name, which is the one that engines take.
[[nodiscard]] inline std::optional<simdjson::dom::element> find(simdjson::dom::object fields, std::string_view name) {
  std::optional<simdjson::dom::element> found;
  for (const auto& [key, value] : fields) {
    if (key == name) found = value;
  }
  return found;
}

}  // namespace gateway
