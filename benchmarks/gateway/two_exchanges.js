// SPDX-License-Identifier: Apache-2.0
// Asks for prefill; then the client's request goes on as it has come.
async function in_sequence(request) {
  await request.subrequest('/prefill');
  request.internalRedirect('@decode');
}

export default { in_sequence };
