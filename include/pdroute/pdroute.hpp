// SPDX-License-Identifier: Apache-2.0
// Everything but the opt-in adapters.
#pragma once

#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/load/rate_window.hpp>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/policy/tie_rule.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/pool/slot.hpp>
#include <pdroute/pool/snapshot.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <pdroute/router/dispatcher.hpp>
#include <pdroute/router/route.hpp>
#include <pdroute/version.hpp>
