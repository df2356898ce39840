import { MAX_ACKNOWLEDGEMENTS_PER_CALL } from './ekiden-extension.js';
import { parseSchedulerCall } from './parse-call.js';

const framework_id = { value: 'F' };
const ACKNOWLEDGEMENT = { agent_id: { value: 'A' }, task_id: { value: 't' }, uuid: Buffer.alloc(16).toString('base64') };

describe('parseSchedulerCall', () => {
  it('reads leniently: null is absent, one object is a list of one, numbers may be strings, unknown fields stay', () => {
    const parsed = parseSchedulerCall({
      type: 'DECLINE',
      framework_id,
      decline: { offer_ids: { value: 'O1' }, filters: { refuse_seconds: '5' }, extra: 1 },
      accept: null,
    });
    expect(parsed).toEqual({
      kind: 'call',
      call: { type: 'DECLINE', framework_id, decline: { offer_ids: [{ value: 'O1' }], filters: { refuse_seconds: 5 }, extra: 1 } },
    });
  });

  it.each([
    ['no object', [], /expected an object/],
    ['no type', { framework_id }, /Expecting 'type'/],
    ['no framework id', { type: 'TEARDOWN' }, /Expecting 'framework_id'/],
    ['no sub-message', { type: 'KILL', framework_id }, /Expecting 'kill'/],
    ['a required field missing', { type: 'KILL', framework_id, kill: {} }, /kill\.task_id/],
    [
      'a uuid of another length',
      { type: 'ACKNOWLEDGE', framework_id, acknowledge: { agent_id: { value: 'A' }, task_id: { value: 't' }, uuid: 'AAAA' } },
      /Not a valid UUID/,
    ],
    ['an empty batch', { type: 'EKIDEN_BATCH_ACKNOWLEDGE', framework_id, batch_acknowledge: { acknowledgements: [] } }, /acknowledgements/],
    [
      'a batch beyond its bound',
      {
        type: 'EKIDEN_BATCH_ACKNOWLEDGE',
        framework_id,
        batch_acknowledge: { acknowledgements: Array(MAX_ACKNOWLEDGEMENTS_PER_CALL + 1).fill(ACKNOWLEDGEMENT) },
      },
      /<=1000/,
    ],
    [
      'a batch with one wrong uuid',
      { type: 'EKIDEN_BATCH_ACKNOWLEDGE', framework_id, batch_acknowledge: { acknowledgements: [ACKNOWLEDGEMENT, { ...ACKNOWLEDGEMENT, uuid: 'AAAA' }] } },
      /Not a valid UUID/,
    ],
    ['two framework ids', { type: 'SUBSCRIBE', framework_id, subscribe: { framework_info: { user: 'u', name: 'n', id: { value: 'G' } } } }, /differs/],
  ])('refuses %s with a sentence', (_, body, text) => {
    const parsed = parseSchedulerCall(body);
    expect(parsed.kind).toBe('problem');
    expect(parsed.kind === 'problem' ? parsed.text : '').toMatch(text);
  });

  it('tells an unknown type apart: the answer is 501, not 400', () => {
    expect(parseSchedulerCall({ type: 'FROBNICATE', framework_id })).toEqual({ kind: 'unknown-type', type: 'FROBNICATE' });
  });

  it('refuses a body nested without end instead of reading it', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 5000; i++) deep = { a: deep };
    expect(parseSchedulerCall({ type: 'REVIVE', framework_id, revive: deep }).kind).toBe('problem');
  });
});
