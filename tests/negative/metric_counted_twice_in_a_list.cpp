// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>

using Counted = pdroute::WithMetrics<pdroute::QpsPolicy<>, pdroute::Tokens>;
#ifdef PDROUTE_MISTAKE
using Load = pdroute::WithMetrics<Counted, pdroute::Tokens>::Load;
#else
using Load = pdroute::WithMetrics<Counted, pdroute::KvTokens>::Load;
#endif
