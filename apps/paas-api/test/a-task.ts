/** The first task of an instance, on an agent of the test's choice. */
import { agentId, taskId, type InstanceId, type TaskRef } from '@ekiden/model';

export const aTaskOf = (id: InstanceId, where: { readonly agent: string; readonly hostname: string; readonly agentAddress: string }): TaskRef => ({
  taskId: taskId(`${id}._app.1`),
  agentId: agentId(where.agent),
  hostname: where.hostname,
  agentAddress: where.agentAddress,
  attributes: {},
  region: null,
  zone: null,
  ports: [],
  streamId: 's',
  stagedAt: 0,
});
