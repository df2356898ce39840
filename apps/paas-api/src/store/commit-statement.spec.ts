import { appId, newInstanceId } from '@ekiden/model';
import { buildCommit } from './commit-statement.js';
import type { Write } from './paas-store.js';

const web = appId('/shop/web');
const putApp: Write = { kind: 'put-app', row: { id: web, generation: 1, desiredVersion: null, activeVersion: null } };
const deleteApp: Write = { kind: 'delete-app', id: web };
const event: Write = { kind: 'add-event', row: { seq: 1, type: 't', at: 1, payload: {} } };
const deleteInstance: Write = { kind: 'delete-instance', id: newInstanceId(web, 'a') };
const names = (...writes: Write[]): readonly string[] => buildCommit(7, writes).map((statement) => statement.name);

describe('buildCommit', () => {
  it('makes one fenced statement of a batch', () => {
    const [statement, ...more] = buildCommit(7, [putApp, event, deleteInstance]);
    expect(more).toEqual([]);
    expect(statement?.name).toBe('commit-axe');
    expect(statement?.values[0]).toBe(7);
    expect(statement?.text.match(/FROM fence|USING fence/g)).toHaveLength(4);
  });

  it('gives equal names to equal texts only', () => {
    const texts = new Map<string, string>();
    for (const writes of [[putApp], [putApp, putApp], [event], [putApp, event], [event, putApp], [deleteApp], []]) {
      for (const { name, text } of buildCommit(7, writes)) {
        expect(texts.get(name) ?? text).toBe(text);
        texts.set(name, text);
      }
    }
  });

  it('starts a statement where a write has to see an earlier one', () => {
    expect(names(event, deleteApp, deleteInstance)).toHaveLength(1);
    expect(names(deleteInstance, deleteApp)).toHaveLength(2);
    expect(names(deleteApp, putApp)).toHaveLength(2);
    expect(names(putApp, deleteApp, putApp)).toHaveLength(3);
  });
});
