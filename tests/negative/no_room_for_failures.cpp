// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>

#ifdef PDROUTE_MISTAKE
pdroute::FailedEndpoints<0> failed;
#else
pdroute::FailedEndpoints<1> failed;
#endif
