// SPDX-License-Identifier: Apache-2.0
// wrk sends requests to the gateway as fast as it can. Run with PDROUTE_GATEWAY and PDROUTE_ENGINE.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { engines, file, gateway, quiet, run, text, time_limit } from './programs.mjs';

const skip = spawnSync('wrk', ['--version']).error ? 'there is no wrk' : false;
const connections = 32;

/// A script for wrk: it checks the first and the last bytes of each answer, and counts good and wrong ones.
const script = (body, beginning, ending) => `
wrk.method = 'POST'
wrk.body = [[${JSON.stringify(body)}]]
wrk.headers['Content-Type'] = 'application/json'
local beginning, ending = ${JSON.stringify(beginning)}, ${JSON.stringify(ending)}
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() wrong = 0; good = 0 end
function response(status, headers, body)
  local whole = body:sub(1, #beginning) == beginning and body:sub(-#ending) == ending
  if status == 200 and whole then good = good + 1 else wrong = wrong + 1 end
end
function done(summary)
  local good, wrong = 0, 0
  for _, thread in ipairs(threads) do good = good + thread:get('good'); wrong = wrong + thread:get('wrong') end
  local e = summary.errors
  print(string.format('{"good":%d,"wrong":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}',
                      good, wrong, e.connect, e.read, e.write, e.timeout, e.status))
end`;

const forms = {
  plain: [text, '{', '}'],
  streamed: [{ ...text, stream: true }, 'data: {', 'data: [DONE]\n\n'],
};

for (const [name, [body, beginning, ending]] of Object.entries(forms)) {
  test(`as many requests as wrk can send, ${name}: every answer is whole`, { ...time_limit, skip }, async (t) => {
    const [ps, ds] = [await engines(t, 'prefill', 2), await engines(t, 'decode', 2)];
    const limits = `requests=${connections}`; // just enough for all: a leaked lease would make an endpoint full
    const limited = (list) => list.map((at) => ({ ...at, limits }));
    const gw = await gateway(t, { threads: 2, prefill: limited(ps), decode: limited(ds) });
    const path = file(script(body, beginning, ending), 'script.lua');
    const flags = ['-t', '1', '-c', `${connections}`, '-d', '2s', '--timeout', '60s', '-s', path];
    const { code, stdout, stderr } = await run('wrk', [...flags, `${gw.url}/v1/completions`]);
    assert.equal(code, 0, stdout + stderr);
    const { good, ...faults } = JSON.parse(/^\{.*\}$/m.exec(stdout)[0]);
    assert.deepEqual(faults, { wrong: 0, connect: 0, read: 0, write: 0, timeout: 0, status: 0 }, stdout);
    assert.ok(good > connections, stdout);

    const metrics = await quiet(gw, [...ps, ...ds]);
    const { answered, cancelled, ...others } = metrics.ended();
    assert.deepEqual(others, { client_error: 0, refused: 0, engine_error: 0 });
    // When its time is up, wrk breaks off the requests that it has just begun.
    assert.ok(answered >= good, `${answered} answered, ${good} good`);
    assert.ok(answered + cancelled <= good + connections, `${cancelled} cancelled`);
    assert.equal(metrics.sum('gateway_choices_total'), metrics.sum('gateway_requests_started_total'));
    assert.equal(metrics.sum('gateway_retries_total'), 0);
    for (const { role, id } of [...ps, ...ds]) assert.ok(metrics.chosen(role, id) > good / 4, `${id} has its share`);
    t.diagnostic(`${good} answers in two seconds`);
  });
}
