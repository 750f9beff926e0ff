// SPDX-License-Identifier: Apache-2.0
// Many clients at once, each of which knows how its requests have ended.
import assert from 'node:assert/strict';
import http from 'node:http';

import { events_in, quiet, words_of } from './programs.mjs';

/// The error that a text is, if it is one.
function error_in(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}

/// How a reply looks to its client, in the words in which the gateway counts. `lost` is what must not be: no answer and
/// no error.
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

/// Sends one request; `leave_after` so many milliseconds the client goes away.
function send(gateway, agent, index, stream, leave_after) {
  return new Promise((resolve) => {
    let left = false;
    const ends = (end) => resolve({ index, stream, ...(left ? { how: 'left' } : end) });
    const headers = { 'Content-Type': 'application/json' };
    const request = http.request(`${gateway.url}/v1/completions`, { agent, method: 'POST', headers }, (reply) => {
      let body = '';
      reply.setEncoding('utf8').on('data', (piece) => (body += piece));
      reply.on('error', () => {}); // `complete` tells
      reply.once('close', () => ends(judge(reply, body, index)));
    });
    request.once('error', ({ code }) => ends({ how: 'lost', code }));
    request.end(JSON.stringify({ model: 'm', prompt: `request ${index} a b`, max_tokens: 6, stream }));
    if (leave_after !== undefined) setTimeout(() => ((left = true), request.destroy()), leave_after);
  });
}

let sent = 0;
/// Sends so many requests over so many connections, every other one for a stream, and returns how each has ended.
/// `after` has numbers of ended requests and what is to be done then. `leave_after` says whether, and after how many
/// milliseconds, the next request's client goes away.
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

/// How many requests have ended how.
export function tally(ends) {
  const count = { answered: 0, client_error: 0, refused: 0, engine_error: 0, left: 0, lost: 0 };
  for (const { how } of ends) ++count[how];
  return count;
}

/// Waits until all is quiet; then every request has ended once, for its client as for the gateway. `ends` are all
/// requests that the gateway has had. Of a client that has left, nobody knows how far its request came.
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
