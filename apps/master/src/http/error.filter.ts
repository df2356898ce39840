/** The one place where an error becomes an answer: a sentence, as Mesos writes them. A bug is logged, and says no more than that. */
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Log } from '@ekiden/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendText } from './gate.js';

@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    if (reply.sent) return;
    const status = statusOf(error);
    if (status < 500) return void sendText(reply, status, error instanceof Error ? error.message : 'refused');
    const { method, url } = http.getRequest<FastifyRequest>();
    this.log.error('request-failed', { method, url, error });
    sendText(reply, status, 'internal error: the log of the master has the cause');
  }
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  if (typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return 500;
}
