// SPDX-License-Identifier: Apache-2.0
// The engine's pages other than completions: they are answered at once.
#include <boost/beast/http/verb.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "engine.hpp"
#include "reply.hpp"

namespace emulated {

using nlohmann::json;

std::string Engine::page(const Connection::Request& request, std::string_view path) {
  const bool get = request.method() == boost::beast::http::verb::get;
  const bool post = request.method() == boost::beast::http::verb::post;
  if (post && path == "/admin/claim") return claim(request.body());
  if (post && path == "/admin/fault") return set_fault(request.body());
  if (get && path == "/admin/report") return whole_reply(200, report_.json(transfers_.unclaimed()).dump());
  if (get && path == "/metrics")
    return whole_reply(200, report_.metrics(transfers_.blocks()), "text/plain; version=0.0.4; charset=utf-8");
  if (get && path == "/health") return whole_reply(200, "{}");
  if (get && path == "/v1/models") {
    const json model{{"id", "emulated"}, {"object", "model"}, {"created", 0}, {"owned_by", "pdroute"}};
    return whole_reply(200, json{{"object", "list"}, {"data", json::array({model})}}.dump());
  }
  return error_reply(404, "not_found", "there is no such page");
}

std::string Engine::set_fault(std::string_view body) {
  const json fields = json::parse(body, nullptr, false);
  const auto wrong = [](std::string_view message) { return error_reply(400, "bad_fault", message); };
  if (!fields.is_object() || !fields.contains("kind") || !fields["kind"].is_string()) return wrong("kind is missing");
  const auto fault = fault_named(fields["kind"].get_ref<const std::string&>());
  if (!fault) return wrong("there is no such kind");
  const json every = fields.value("every", json(1U));
  if (!every.is_number_unsigned() || every == 0U) return wrong("every must be a whole number above zero");
  faults_.set(*fault, every.get<std::uint64_t>());
  return whole_reply(200, "{}");
}

std::string Engine::claim(std::string_view body) {
  const json fields = json::parse(body, nullptr, false);
  if (!fields.is_object() || !fields.contains("transfer_id") || !fields["transfer_id"].is_string())
    return error_reply(400, "bad_claim", "transfer_id is missing");
  const auto [issued, refusal] = transfers_.claim(fields["transfer_id"].get_ref<const std::string&>());
  if (issued) {
    const json known{
        {"params", issued->params}, {"request_id", issued->request_id}, {"prompt_hash", issued->prompt_hash}};
    return whole_reply(200, known.dump());
  }
  switch (refusal) {
    case Transfers::Refusal::used: return error_reply(409, "used", "it was claimed before");
    case Transfers::Refusal::expired: return error_reply(410, "expired", "it was not claimed for long");
    case Transfers::Refusal::unknown: break;
  }
  return error_reply(404, "unknown", "it was not issued here");
}

}  // namespace emulated
