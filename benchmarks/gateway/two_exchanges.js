// SPDX-License-Identifier: Apache-2.0
// Sends a request to prefill, then passes the client's request on to decode unchanged.
async function in_sequence(request) {
  await request.subrequest('/prefill');
  request.internalRedirect('@decode');
}

export default { in_sequence };
