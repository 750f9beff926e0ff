// SPDX-License-Identifier: Apache-2.0
// Tests of the emulated engines. The test takes the place of the gateway. Run with PDROUTE_ENGINE.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import {
  chat,
  engine,
  events,
  path_of,
  post,
  prefill_params,
  program,
  reports,
  run,
  text,
  time_limit,
  usage,
  words,
  words_of,
} from './programs.mjs';

let last_id = 0;
const new_id = () => `request-${++last_id}`;

function prefill_body(body) {
  const { stream_options: _, ...rest } = body;
  const most = body.max_completion_tokens ? { max_completion_tokens: 1 } : {};
  return { ...rest, ...most, stream: false, max_tokens: 1, kv_transfer_params: prefill_params };
}

async function prefill(at, id, body = text) {
  const reply = await post(at.url + path_of(body), prefill_body(body), { id });
  assert.equal(reply.status, 200, await reply.clone().text());
  return reply.json();
}

const decode = (at, id, params, body = text, options = {}) =>
  post(at.url + path_of(body), { ...body, kv_transfer_params: params }, { id, ...options });

/// The rule in the error of a 400.
async function broken_rule(reply) {
  assert.equal(reply.status, 400);
  return (await reply.json()).error.code;
}

async function all_ended(at) {
  const { requests, running, finished, cancelled, failed, refused } = await at.report();
  assert.equal(running, 0);
  assert.equal(finished + cancelled + failed + refused, requests);
}

test('a plain completion: prefill and decode answer it', time_limit, async (t) => {
  const [p, d] = [await engine(t, 'prefill'), await engine(t, 'decode')];
  for (const body of [text, chat]) {
    const id = new_id();
    const computed = await prefill(p, id, body);
    assert.equal(computed.usage.completion_tokens, 1);
    const params = computed.kv_transfer_params;
    assert.deepEqual([params.do_remote_prefill, params.do_remote_decode], [true, false]);
    assert.deepEqual([params.remote_host, params.remote_port], [p.host, p.port]);
    assert.match(params.remote_engine_id, /^prefill-/);
    assert.deepEqual(params.remote_block_ids, [0]);
    assert.equal((await p.report()).unclaimed, 1);

    const answer = await (await decode(d, id, params, body)).json();
    const choice = answer.choices[0];
    assert.equal(choice.text ?? choice.message.content, words);
    assert.equal(choice.finish_reason, 'length');
    assert.deepEqual(answer.usage, usage);
    assert.equal(answer.kv_transfer_params, undefined);
    assert.equal((await p.report()).unclaimed, 0);
  }
  for (const at of [p, d]) {
    const { finished, violations } = await at.report();
    assert.deepEqual([finished, violations], [2, []]);
    await all_ended(at);
  }
});

test('a streamed completion: prefill and decode answer it', time_limit, async (t) => {
  const [p, d] = [await engine(t, 'prefill'), await engine(t, 'decode')];
  for (const body of [text, chat]) {
    for (const include_usage of [false, true]) {
      const asked = { ...body, stream: true, stream_options: { include_usage } };
      const id = new_id();
      const { kv_transfer_params } = await prefill(p, id, asked);
      const got = await events(await decode(d, id, kv_transfer_params, asked));
      if (include_usage) {
        const last = got.pop();
        assert.deepEqual([last.choices, last.usage], [[], usage]);
      }
      const choices = got.map((event) => event.choices[0]);
      assert.equal(choices.length, 6);
      assert.equal(words_of(got), words);
      assert.equal(choices.at(-1).finish_reason, 'length');
      assert.ok(choices.slice(0, -1).every((choice) => choice.finish_reason === null));
    }
  }
  assert.deepEqual((await p.report()).violations, []);
  assert.deepEqual((await d.report()).violations, []);
});

test('a prefill request that breaks a rule of vLLM: 400 with the rule', time_limit, async (t) => {
  const p = await engine(t, 'prefill');
  const right = prefill_body(text);
  const { max_tokens: _1, ...without_max_tokens } = right;
  const { stream: _2, ...without_stream } = right;
  const { kv_transfer_params: _3, ...without_params } = right;
  const mistakes = [
    ['prefill-max-tokens', { ...right, max_tokens: 6 }],
    ['prefill-max-tokens', without_max_tokens],
    ['prefill-max-tokens', { ...right, max_completion_tokens: 6 }],
    ['prefill-max-tokens', { ...right, min_tokens: 2 }],
    ['prefill-stream', { ...right, stream: true }],
    ['prefill-stream', without_stream],
    ['prefill-stream', { ...right, stream_options: { include_usage: true } }],
    ['prefill-params', without_params],
    ['prefill-params', { ...right, kv_transfer_params: { ...prefill_params, remote_host: '127.0.0.1' } }],
    ['prefill-params', { ...right, kv_transfer_params: { ...prefill_params, extra: 1 } }],
    ['prefill-params', { ...right, kv_transfer_params: { do_remote_decode: true } }],
    ['wrong-role', { ...right, kv_transfer_params: { ...prefill_params, do_remote_prefill: true } }],
  ];
  for (const [rule, body] of mistakes) {
    assert.equal(await broken_rule(await post(`${p.url}/v1/completions`, body, { id: new_id() })), rule);
  }
  assert.equal(await broken_rule(await post(`${p.url}/v1/completions`, right)), 'missing-request-id');
  const { violations, refused, unclaimed } = await p.report();
  assert.deepEqual(
    violations.map(({ rule }) => rule),
    [...mistakes.map(([rule]) => rule), 'missing-request-id'],
  );
  assert.deepEqual([refused, unclaimed], [mistakes.length + 1, 0]);
  await all_ended(p);
});

test('a decode request without a prefill of its own: 400 with the rule', time_limit, async (t) => {
  const [p, d] = [await engine(t, 'prefill'), await engine(t, 'decode')];
  const rules = [];
  const refused = async (rule, reply) => {
    rules.push(rule);
    assert.equal(await broken_rule(reply), rule);
  };
  const issued = async (id) => (await prefill(p, id)).kv_transfer_params;

  await refused('decode-without-prefill', await post(`${d.url}/v1/completions`, text, { id: new_id() }));
  await refused('decode-without-prefill', await decode(d, new_id(), null));
  await refused('decode-without-prefill', await decode(d, new_id(), {}));
  await refused('wrong-role', await decode(d, new_id(), prefill_params));

  const id = new_id();
  const params = await issued(id);
  await refused('missing-request-id', await decode(d, undefined, params));
  assert.equal((await decode(d, id, params)).status, 200);
  await refused('second-decode', await decode(d, id, params));

  await refused('unknown-params', await decode(d, id, { ...params, transfer_id: `${params.transfer_id}99` }));
  await refused('unknown-params', await decode(d, id, { ...params, transfer_id: 'forged' }));
  await refused('unknown-params', await decode(d, id, { ...params, transfer_id: 7 }));
  await refused('unknown-params', await decode(d, id, { ...params, remote_host: 'no address' }));
  await refused('unknown-params', await decode(d, id, { ...params, remote_port: 0 }));
  await refused('unknown-params', await decode(d, id, { ...params, remote_port: undefined }));

  const other = new_id();
  await refused('changed-params', await decode(d, other, { ...(await issued(other)), remote_block_ids: [3] }));
  await refused('changed-params', await decode(d, other, { ...(await issued(other)), extra: true }));
  await refused('changed-request-id', await decode(d, new_id(), await issued(other)));
  const other_text = { ...text, prompt: 'another prompt' };
  await refused('changed-prompt', await decode(d, other, await issued(other), other_text));

  const { violations } = await d.report();
  assert.deepEqual(violations.map(({ rule }) => rule), rules);
  assert.deepEqual((await p.report()).violations, []);
  await all_ended(p);
  await all_ended(d);
});

test('a transfer is claimed twice: the second claim is refused', time_limit, async (t) => {
  const p = await engine(t, 'prefill');
  const { transfer_id } = (await prefill(p, 'mine')).kv_transfer_params;
  const claim = (body) => post(`${p.url}/admin/claim`, body);
  const first = await claim({ transfer_id });
  assert.equal(first.status, 200);
  assert.equal((await first.json()).request_id, 'mine');
  assert.equal((await claim({ transfer_id })).status, 409);
  assert.equal((await claim({ transfer_id: 'none' })).status, 404);
  assert.equal((await claim({})).status, 400);
  assert.equal((await claim('no JSON')).status, 400);
});

test('the prefill engine is dead: the decode fails, and no violation is reported', time_limit, async (t) => {
  const [p, d] = [await engine(t, 'prefill'), await engine(t, 'decode')];
  const warm = await prefill(p, 'warm'); // gives the decode engine a connection that will be dead
  assert.equal((await decode(d, 'warm', warm.kv_transfer_params)).status, 200);
  const { kv_transfer_params } = await prefill(p, 'late');
  await p.end('SIGKILL');
  for (let i = 0; i < 2; ++i) assert.equal((await decode(d, 'late', kv_transfer_params)).status, 500);
  const { failed, violations } = await d.report();
  assert.deepEqual([failed, violations], [2, []]);
});

test('the prefill engine is stopped: the decode fails in bounded time', time_limit, async (t) => {
  const [p, d] = [await engine(t, 'prefill'), await engine(t, 'decode')];
  const { kv_transfer_params } = await prefill(p, 'stopped');
  p.signal('SIGSTOP');
  assert.equal((await decode(d, 'stopped', kv_transfer_params)).status, 500);
  await p.end('SIGKILL');
  await all_ended(d);
});

test('an engine of both roles: it also takes whole requests', time_limit, async (t) => {
  const e = await engine(t, 'both');
  assert.equal((await (await post(`${e.url}/v1/completions`, text)).json()).choices[0].text, words);
  assert.equal((await events(await post(`${e.url}/v1/chat/completions`, { ...chat, stream: true }))).length, 6);
  const { kv_transfer_params } = await prefill(e, 'split');
  assert.equal((await decode(e, 'split', kv_transfer_params)).status, 200);
  assert.equal(await broken_rule(await decode(e, 'split', kv_transfer_params)), 'second-decode');
  await all_ended(e);
});

test('malformed requests: refused, and no violation is reported', time_limit, async (t) => {
  const e = await engine(t, 'both');
  const url = `${e.url}/v1/completions`;
  const prompt = 'a';
  const wrong = ['no JSON', '[]', '{}', { prompt: '' }, { prompt, max_tokens: 0 }, { prompt, max_tokens: 'b' }];
  for (const body of wrong) assert.equal((await post(url, body)).status, 400);
  assert.equal((await fetch(`${e.url}/nothing`)).status, 404);
  assert.deepEqual((await e.report()).violations, []);
  await all_ended(e);
});

test('a fault is set: it appears in the replies until it is set to none', time_limit, async (t) => {
  const e = await engine(t, 'both');
  const set = (kind, every) => post(`${e.url}/admin/fault`, { kind, every });
  const ask = (more) => post(`${e.url}/v1/completions`, { ...text, ...more });

  await t.test('error-500 and refuse-429: the status of the reply', async () => {
    for (const [kind, status] of [['error-500', 500], ['refuse-429', 429]]) {
      assert.equal((await set(kind)).status, 200);
      assert.equal((await ask()).status, status);
    }
  });
  await t.test('every third request: the others succeed', async () => {
    await set('error-500', 3);
    const statuses = [];
    for (let i = 0; i < 6; ++i) statuses.push((await ask()).status);
    assert.deepEqual(statuses, [200, 200, 500, 200, 200, 500]);
  });
  await t.test('garbage: the reply is no HTTP; garbage-body: it is HTTP without JSON', async () => {
    await set('garbage');
    await assert.rejects(ask());
    await set('garbage-body');
    await assert.rejects((await ask()).json());
  });
  await t.test('cut: the reply ends in the middle', async () => {
    await set('cut');
    await assert.rejects(async () => (await ask()).text());
    const reply = await ask({ stream: true });
    let seen = '';
    await assert.rejects(async () => {
      for await (const piece of reply.body) seen += Buffer.from(piece);
    });
    assert.equal(seen.split('\n\n').length - 1, 3);
  });
  await t.test('slow: the whole reply arrives late', async () => {
    await set('slow');
    for (const stream of [false, true]) {
      const start = performance.now();
      assert.match(await (await ask({ stream })).text(), /quick/);
      assert.ok(performance.now() - start > 500);
    }
  });
  await t.test('hang: no reply, and the request ends when the client goes away', async () => {
    await set('hang');
    const before = (await e.report()).cancelled;
    const gone = new AbortController();
    const asked = post(`${e.url}/v1/completions`, text, { signal: gone.signal });
    asked.catch(() => {});
    await reports(e, { running: 1 });
    gone.abort();
    await assert.rejects(asked);
    await reports(e, { running: 0, cancelled: before + 1 });
  });
  await t.test('none: requests succeed again', async () => {
    await set('none');
    assert.equal((await ask()).status, 200);
  });
  await t.test('an unknown fault: refused', async () => {
    for (const body of [{}, { kind: 'flood' }, { kind: 'cut', every: 0 }, { kind: 'cut', every: -1 }, 'no JSON'])
      assert.equal((await post(`${e.url}/admin/fault`, body)).status, 400);
  });
  await all_ended(e);
});

test('a fault from the command line: the decode fails and has used up its prefill', time_limit, async (t) => {
  const [p, d] = [await engine(t, 'prefill'), await engine(t, 'decode', '--fault', 'error-500', '--fault-every', '2')];
  const { kv_transfer_params: first } = await prefill(p, 'first');
  assert.equal((await decode(d, 'first', first)).status, 200);
  const { kv_transfer_params: second } = await prefill(p, 'second');
  assert.equal((await decode(d, 'second', second)).status, 500);
  assert.equal(await broken_rule(await decode(d, 'second', second)), 'second-decode');
});

test('a decode is refused with 429: it has not used up its prefill', time_limit, async (t) => {
  const [p, d] = [await engine(t, 'prefill'), await engine(t, 'decode', '--fault', 'refuse-429', '--fault-every', '2')];
  const { kv_transfer_params: first } = await prefill(p, 'first');
  assert.equal((await decode(d, 'first', first)).status, 200);
  const { kv_transfer_params: second } = await prefill(p, 'second');
  assert.equal((await decode(d, 'second', second)).status, 429);
  assert.equal((await decode(d, 'second', second)).status, 200);
  assert.deepEqual((await d.report()).violations, []);
});

test('more requests than max-running: 429, and the metrics show the running ones', time_limit, async (t) => {
  const e = await engine(t, 'both', '--max-running', '2', '--time-scale', '1');
  const long = { ...text, max_tokens: 5000, stream: true };
  const gone = new AbortController();
  const running = [1, 2].map(() => post(`${e.url}/v1/completions`, long, { signal: gone.signal }));
  await Promise.all(running);
  assert.equal((await post(`${e.url}/v1/completions`, text)).status, 429);
  const metrics = await (await fetch(`${e.url}/metrics`)).text();
  assert.match(metrics, /^vllm:num_requests_running 2$/m);
  assert.match(metrics, /^vllm:num_requests_waiting 0$/m);
  assert.match(metrics, /^vllm:kv_cache_usage_perc 0\.050080$/m); // 2 x 313 of 12,500 blocks
  assert.match(metrics, /^vllm:cache_config_info\{block_size="16",num_gpu_blocks="12500"\} 1$/m);
  gone.abort();
  await reports(e, { running: 0, cancelled: 2, refused: 1 });
  assert.match(await (await fetch(`${e.url}/metrics`)).text(), /^vllm:kv_cache_usage_perc 0\.000000$/m);
  await all_ended(e);
});

test('a client goes away, plain, streamed or in prefill: its request is cancelled', time_limit, async (t) => {
  const [p, e] = [await engine(t, 'prefill', '--time-scale', '1000'), await engine(t, 'both', '--time-scale', '10')];
  const requests = [
    [e, { ...text, max_tokens: 1000 }],
    [e, { ...text, max_tokens: 1000, stream: true }],
    [p, prefill_body({ ...text, prompt: 'word '.repeat(1000) })],
  ];
  for (const [at, body] of requests) {
    const { cancelled } = await at.report();
    const gone = new AbortController();
    const asked = post(`${at.url}/v1/completions`, body, { signal: gone.signal, id: new_id() });
    asked.catch(() => {});
    await reports(at, { running: 1 });
    gone.abort();
    await reports(at, { running: 0, cancelled: cancelled + 1 });
  }
  assert.equal((await p.report()).unclaimed, 0);
});

test('several requests on one connection: served in turn until one says close', time_limit, async (t) => {
  const e = await engine(t, 'both');
  const socket = net.connect(e.port, e.host);
  const request = (more) => `GET /health HTTP/1.1\r\nHost: e\r\n${more}\r\n`;
  socket.write(request('') + request('') + request('Connection: close\r\n'));
  let got = '';
  for await (const piece of socket) got += piece;
  assert.equal(got.match(/HTTP\/1\.1 200 OK/g).length, 3);
});

test('/health and /v1/models: 200 with their contents', time_limit, async (t) => {
  const e = await engine(t, 'decode');
  assert.equal((await fetch(`${e.url}/health`)).status, 200);
  assert.equal((await e.page('/v1/models')).object, 'list');
});

test('a time scale is given: times are multiplied by it', time_limit, async (t) => {
  const e = await engine(t, 'both', '--time-scale', '0.5');
  const start = performance.now();
  await (await post(`${e.url}/v1/completions`, { ...text, max_tokens: 20 })).json();
  assert.ok(performance.now() - start >= 200); // 20 tokens, 20 ms each, halved
});

test('SIGTERM, idle or at work: the engine ends with exit code 0', time_limit, async (t) => {
  const idle = await engine(t, 'both');
  assert.deepEqual(await idle.end(), { code: 0, signal: null });
  const busy = await engine(t, 'both', '--time-scale', '100');
  const asked = post(`${busy.url}/v1/completions`, { ...text, stream: true });
  asked.catch(() => {});
  await reports(busy, { running: 1 });
  assert.deepEqual(await busy.end(), { code: 0, signal: null });
  await assert.rejects(asked);
});

test('wrong flags: refused', time_limit, async () => {
  const wrong = [
    ['--role', 'middle'],
    ['--role', 'both', '--listen', 'nowhere'],
    ['--role', 'both', '--listen', '127.0.0.1:70000'],
    ['--role', 'both', '--fault', 'flood'],
    ['--role', 'both', '--fault-every', '0'],
    ['--role', 'both', '--time-scale', '-1'],
    [],
  ];
  for (const args of wrong) assert.ok((await run(program('PDROUTE_ENGINE'), args)).code > 0, args.join(' '));
});
