// SPDX-License-Identifier: Apache-2.0
// Many clients at once. Each notes how its requests have ended.
import assert from 'node:assert/strict';
import http from 'node:http';

import { events_in, quiet, words_of } from './programs.mjs';

/// The error object in a JSON text, or undefined.
function error_in(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}

/// How a request ended for its client, in the words of the gateway's counters. `lost` means neither an answer nor an
/// error, which must never happen.
function judge(reply, body, index) {
  const { statusCode: status, complete } = reply;
  const lost = { how: 'lost', status, body };
  const own = `request ${index} a b request ${index}`;
  const answered = (words) => (words === own ? { how: 'answered' } : lost);
  if (status === 200 && reply.headers['content-type'].startsWith('text/event-stream')) {
    if (complete) return answered(words_of(events_in(body)));
    const last = body.trimEnd().split('\n\n').at(-1).replace(/^data: /, '');
    const error = error_in(last);
    return error ? { how: 'engine_error', code: error.code, status, begun: true } : lost;
  }
  if (!complete) return lost;
  if (status === 200) return answered(JSON.parse(body).choices[0].text);
  const { code } = error_in(body) ?? {};
  if (!code) return lost;
  const how = { overloaded: 'refused', no_endpoint: 'refused', engine_error: 'engine_error' }[code] ?? 'client_error';
  return { how, code, status };
}

/// Sends one request. If `leave_after` is given, the client goes away after that many milliseconds.
function send(gateway, agent, index, stream, leave_after) {
  return new Promise((resolve) => {
    let left = false;
    const ends = (end) => resolve({ index, stream, ...(left ? { how: 'left' } : end) });
    const headers = { 'Content-Type': 'application/json' };
    const request = http.request(`${gateway.url}/v1/completions`, { agent, method: 'POST', headers }, (reply) => {
      let body = '';
      reply.setEncoding('utf8').on('data', (piece) => (body += piece));
      reply.on('error', () => {}); // `complete` tells `judge` about it
      reply.once('close', () => ends(judge(reply, body, index)));
    });
    request.once('error', ({ code }) => ends({ how: 'lost', code }));
    request.end(JSON.stringify({ model: 'm', prompt: `request ${index} a b`, max_tokens: 6, stream }));
    if (leave_after !== undefined) setTimeout(() => ((left = true), request.destroy()), leave_after);
  });
}

let sent = 0;
/// Sends `requests` requests over `connections` connections, every other one for a stream, and returns how each ended.
/// `after` maps a number of ended requests to an action at that moment. `leave_after` returns after how many
/// milliseconds the client of the next request goes away, or undefined.
export async function load(gateway, requests, { connections = 16, after = {}, leave_after = () => undefined } = {}) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const ends = [];
  const actions = [];
  let begun = 0;
  const one_client = async () => {
    while (begun < requests) {
      const stream = begun++ % 2 === 1;
      ends.push(await send(gateway, agent, ++sent, stream, leave_after()));
      if (after[ends.length]) actions.push(after[ends.length]());
    }
  };
  await Promise.all(Array.from({ length: connections }, one_client));
  await Promise.all(actions);
  agent.destroy();
  assert.equal(ends.length, requests);
  return ends;
}

/// The number of requests for each way to end.
export function tally(ends) {
  const count = { answered: 0, client_error: 0, refused: 0, engine_error: 0, left: 0, lost: 0 };
  for (const { how } of ends) ++count[how];
  return count;
}

/// Waits until nothing runs. Then checks that the gateway has counted each request once, with the end that its client
/// saw. `ends` must hold all requests of this gateway. If a client has left, the end of its request is not known, so
/// the checks are weaker then.
export async function books_agree(gateway, engines, ends, options) {
  const metrics = await quiet(gateway, engines, options);
  const { left, lost, ...seen } = tally(ends);
  assert.equal(lost, 0, JSON.stringify(ends.find(({ how }) => how === 'lost')));
  const { cancelled, ...counted } = metrics.ended();
  if (left === 0) assert.deepEqual({ ...counted, cancelled }, { ...seen, cancelled: 0 });
  for (const how of Object.keys(seen))
    assert.ok(counted[how] >= seen[how], `${how}: ${counted[how]} counted, ${seen[how]} seen`);
  assert.ok(metrics.sum('gateway_requests_started_total') <= ends.length);
  assert.ok(metrics.sum('gateway_choices_total') > 0);
  return metrics;
}
