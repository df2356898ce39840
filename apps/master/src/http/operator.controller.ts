/** `POST /api/v1`: the operator's reads (reference: 5.2). Longer paths below it mean the same, as in Mesos. */
import { Body, Controller, Inject, Post, Res } from '@nestjs/common';
import { asciiJson } from '@ekiden/mesos';
import type { FastifyReply } from 'fastify';
import { sendText } from './gate.js';
import { answerOperator } from './operator-call.js';
import { readJson } from './read-json.js';
import { RIM, type Rim } from './rim.js';

@Controller()
export class OperatorController {
  constructor(@Inject(RIM) private readonly rim: Rim) {}

  @Post(['api/v1', 'api/v1/operator'])
  call(@Body() body: string, @Res() reply: FastifyReply): void {
    const json = readJson(body);
    if (json.kind === 'problem') return void sendText(reply, 400, json.text);
    const type = typeof json.value === 'object' && json.value !== null && 'type' in json.value ? json.value.type : undefined;
    if (typeof type !== 'string') return void sendText(reply, 400, "Failed to validate master::Call: Expecting 'type' to be present");
    const answer = answerOperator(this.rim.master.state, { startedAtMs: this.rim.startedAtMs }, type);
    if (answer === null) return void sendText(reply, 501, `Call '${type.slice(0, 80)}' is not supported`);
    void reply.code(200).header('content-type', 'application/json').send(asciiJson(answer));
  }
}
