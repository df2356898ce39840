/** Which types a client takes, by headers as clients send them. */
import { preferredType, takesJson } from './accept.js';

it.each([undefined, '', '*/*', 'application/json', 'application/*', 'application/json; charset=utf-8', 'text/html, */*;q=0.1', 'APPLICATION/JSON'])(
  'may send JSON to who accepts %p',
  (accept) => {
    expect(takesJson(accept)).toBe(true);
  },
);

it.each(['text/plain', 'text/*', 'application/xml', 'application/json;q=0', '*/*, application/json;q=0', 'text/event-stream'])(
  'may not send JSON to who accepts %p',
  (accept) => {
    expect(takesJson(accept)).toBe(false);
  },
);

it('takes what is preferred, and the first offer of equals', () => {
  const offered = ['application/json', 'text/plain'];
  expect(preferredType('application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1', offered)).toBe('text/plain');
  expect(preferredType('text/plain', offered)).toBe('text/plain');
  expect(preferredType('*/*', offered)).toBe('application/json');
  expect(preferredType('text/html,application/xhtml+xml', offered)).toBeNull();
});
