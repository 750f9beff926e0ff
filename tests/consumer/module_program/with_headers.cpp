// SPDX-License-Identifier: Apache-2.0
// A second file of the same program. It includes an adapter's header and imports the module.
#include <pdroute/adapt/prometheus.hpp>
#include <string>

import pdroute;

std::string number_of_requests(const pdroute::Capacity& capacity) {
  return std::to_string(capacity.requests.value_or(pdroute::Capacity::max_requests));
}
