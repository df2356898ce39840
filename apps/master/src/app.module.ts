/** What Nest wires: the controllers over one handed-in `Rim`. The core is built in `main.ts`, and knows nothing of this. */
import { Module, type DynamicModule } from '@nestjs/common';
import { OperatorController } from './http/operator.controller.js';
import { RIM, type Rim } from './http/rim.js';
import { SchedulerController } from './http/scheduler.controller.js';
import { SystemController } from './http/system.controller.js';

@Module({})
export class AppModule {
  static of(rim: Rim): DynamicModule {
    return {
      module: AppModule,
      controllers: [SchedulerController, OperatorController, SystemController],
      providers: [{ provide: RIM, useValue: rim }],
    };
  }
}
