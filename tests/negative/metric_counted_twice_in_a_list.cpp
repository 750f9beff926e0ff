// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>

using Counted = pdroute::Counting<pdroute::QpsPolicy<>, pdroute::Tokens>;
#ifdef PDROUTE_MISTAKE
using Load = pdroute::Counting<Counted, pdroute::Tokens>::Load;
#else
using Load = pdroute::Counting<Counted, pdroute::KvTokens>::Load;
#endif
