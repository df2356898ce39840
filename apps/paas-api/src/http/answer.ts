/** How an answer leaves: JSON text without a charset, and the headers that belong to a change (Marathon: 1.1). */
import type { FastifyReply } from 'fastify';
import { isoTime } from '@ekiden/model';
import type { DeploymentReceipt } from '../paas-api.js';
import type { Json } from './stored-definition.js';

/** Text that is JSON already. As bytes: to text, Fastify would add a charset. */
export function sendText(reply: FastifyReply, text: string | Buffer, status = 200): void {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  void reply.code(status).header('content-type', 'application/json').send(bytes);
}

export const sendJson = (reply: FastifyReply, value: unknown, status = 200): void => sendText(reply, JSON.stringify(value), status);

export const sendEmpty = (reply: FastifyReply, status: number): void => void reply.code(status).send();

export const renderReceipt = (receipt: DeploymentReceipt): Json => ({ version: isoTime(receipt.version), deploymentId: receipt.deploymentId });

/** Names the deployment that a change started, as every such answer does. */
export const nameDeployment = (reply: FastifyReply, receipt: DeploymentReceipt): FastifyReply => reply.header('marathon-deployment-id', receipt.deploymentId);

export const sendReceipt = (reply: FastifyReply, receipt: DeploymentReceipt, status = 200): void =>
  sendJson(nameDeployment(reply, receipt), renderReceipt(receipt), status);

const MAX_WARNINGS = 20;

/** RFC 9111's `Warning` header, one value a sentence (decision 16). */
export function warn(reply: FastifyReply, warnings: readonly string[]): void {
  if (warnings.length === 0) return;
  const values = warnings.slice(0, MAX_WARNINGS).map((text) => `299 ekiden "${printable(text)}"`);
  void reply.header('warning', values.join(', '));
}

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&');
